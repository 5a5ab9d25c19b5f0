/**
 * A machine's NICs, and what their cables lead to, as QEMU's arguments.
 * Source: QEMU docs, "Network options".
 */
import type { MachineSpec, NicSpec, RelaySpec, StreamNetworkSpec, UserNetworkSpec } from "../machine-spec.js";
import { optionValue } from "./option-value.js";

export function nicArgs(nic: NicSpec, index: number, { boot, firmware }: MachineSpec): readonly string[] {
  const id = `net${index}`;
  const model = nic.model ?? "virtio-net-pci";
  // Without romfile QEMU takes the iPXE ROM that its distribution ships for the device. UEFI has a driver of its own, and
  // the ROMs' EFI parts are of no use: one of 2019 starts the kernel without its initrd, newer ones are not run (measured).
  // A machine that is handed its kernel runs no ROM at all.
  const device = [
    model,
    `netdev=${id}`,
    `mac=${nic.mac}`,
    // A virtio NIC has no duplex unless it is told one, and without full duplex Linux speaks no LACP on it.
    ...(nic.network.kind === "stream" && model.startsWith("virtio") ? ["speed=10000", "duplex=full"] : []),
    ...(firmware?.kind === "uefi" || boot.kind === "kernel" ? ["romfile="] : []),
    ...(boot.kind === "network" && index === 0 ? ["bootindex=0"] : []),
  ];
  return ["-netdev", netdev(nic.network, id), "-device", device.join(",")];
}

/** A hub has two back ends face each other, which otherwise only a NIC can face. */
export function relayArgs({ network, stream }: RelaySpec, index: number): readonly string[] {
  const [user, socket] = [`relay${index}user`, `relay${index}stream`];
  return [
    ...["-netdev", netdev(network, user), "-netdev", netdev(stream, socket)],
    ...[user, socket].flatMap((id) => ["-netdev", `hubport,id=${id}port,hubid=${index},netdev=${id}`]),
  ];
}

function netdev(network: UserNetworkSpec | StreamNetworkSpec, id: string): string {
  switch (network.kind) {
    case "stream":
      return `stream,id=${id},server=off,addr.type=unix,addr.path=${optionValue(network.socketPath)}`;
    case "user":
      return userNetdev(network, id);
    default:
      return network satisfies never;
  }
}

/** IPv6 stays on, as QEMU has it: without a router's answer iPXE waits 13 s longer for one (measured, ipxe-qemu 2019). */
function userNetdev({ net, host, dhcpStart, dns, bootfile, isolated }: UserNetworkSpec, id: string): string {
  return [
    "user",
    `id=${id}`,
    `net=${net}`,
    `host=${host}`,
    `dhcpstart=${dhcpStart}`,
    ...(dns === undefined ? [] : [`dns=${dns}`]),
    ...(bootfile === undefined ? [] : [`bootfile=${optionValue(bootfile)}`]),
    ...(isolated ? ["restrict=on"] : []),
  ].join(",");
}
