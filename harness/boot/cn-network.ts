/**
 * Connects the NICs of a CN. A single NIC is plugged directly into QEMU's user network, where the headnode is.
 * Several NICs are on a wire: a relay joins it to the user network, and peers answer on it. A single NIC is on a wire, too, if
 * there are peers or the headnode attaches its own services to the wire.
 */
import { join } from "node:path";
import type { DisposableStack } from "../../base/disposable-stack.js";
import type { NicSpec, RelaySpec, UserNetworkSpec } from "../../vm/machine-spec.js";
import { AnsweringHost } from "../wire/answering-host.js";
import { type FrameService, Wire } from "../wire/wire.js";
import type { BootPlan } from "./boot-plan.js";

export interface CnNetwork {
  /** The boot NIC first. */
  readonly nics: readonly NicSpec[];
  readonly relays: readonly RelaySpec[];
}

export interface CnNetworkContext {
  /** The network that the headnode provides. */
  readonly userNetwork: UserNetworkSpec;
  /** Services that the headnode runs on the wire itself. */
  readonly services: readonly FrameService[];
  /** Takes the error that a service threw for a frame. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
  /** Takes what must end with the boot. */
  readonly cleanup: DisposableStack;
}

export async function connectCn(
  { mac, nics, peers, reportDir }: Pick<BootPlan, "mac" | "nics" | "peers" | "reportDir">,
  { userNetwork, services, onDefect, cleanup }: CnNetworkContext,
): Promise<CnNetwork> {
  if (nics.length === 0 && peers.length === 0 && services.length === 0) {
    return { nics: [{ mac, network: userNetwork }], relays: [] };
  }
  const wire = cleanup.use(await Wire.create({ capturePath: join(reportDir, "wire.pcap"), onDefect }));
  for (const service of [...services, new AnsweringHost(peers)]) wire.attach(service);
  const plugged: NicSpec[] = [];
  for (const each of [mac, ...nics]) plugged.push({ mac: each, network: await wire.addPort("nic") });
  return { nics: plugged, relays: [{ network: userNetwork, stream: await wire.addPort("relay") }] };
}
