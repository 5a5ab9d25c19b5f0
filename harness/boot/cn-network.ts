/**
 * The NICs of a CN and what their cables lead to. One NIC alone is plugged straight into QEMU's user network, where the
 * headnode is. Several are on a wire, which a relay joins to the user network, and on which peers answer; so is one, where the
 * headnode has services of its own for the wire.
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
  /** What the headnode plays. */
  readonly userNetwork: UserNetworkSpec;
  /** What the headnode answers itself. */
  readonly services: readonly FrameService[];
  /** Takes what a service threw upon a frame. @default the error is thrown uncaught */
  readonly onDefect?: ((error: Error) => void) | undefined;
  /** Is given what has to end with the boot. */
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
