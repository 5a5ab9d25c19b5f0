/**
 * QEMU's arguments for a machine's NICs and the networks that they are connected to.
 * Source: QEMU docs, "Network options".
 */
import type { MachineSpec, NicSpec, RelaySpec, StreamNetworkSpec, UserNetworkSpec } from "../machine-spec.js";
import { optionValue } from "./option-value.js";

export function nicArgs(nic: NicSpec, index: number, { boot, firmware }: MachineSpec): readonly string[] {
  const id = `net${index}`;
  const model = nic.model ?? "virtio-net-pci";
  // Without the option romfile, QEMU loads the iPXE ROM that the distribution ships for the device. UEFI has its own driver and
  // does not need the EFI part of the ROM: a ROM of 2019 starts the kernel without its initrd, newer ones are not run
  // (measured). A machine with the boot source "kernel" needs no ROM.
  const device = [
    model,
    `netdev=${id}`,
    `mac=${nic.mac}`,
    // A virtio NIC reports no duplex by default, and Linux uses LACP only on a NIC with full duplex.
    ...(nic.network.kind === "stream" && model.startsWith("virtio") ? ["speed=10000", "duplex=full"] : []),
    ...(firmware?.kind === "uefi" || boot.kind === "kernel" ? ["romfile="] : []),
    ...(boot.kind === "network" && index === 0 ? ["bootindex=0"] : []),
  ];
  return ["-netdev", netdev(nic.network, id), "-device", device.join(",")];
}

/** Connects two back ends with a hub. Without a hub QEMU connects a back end only to a NIC. */
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

/** IPv6 stays on, QEMU's default: without it iPXE waits 13 s for a router's answer (measured, ipxe-qemu 2019). */
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
