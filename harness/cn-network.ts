/**
 * The NICs of a CN and what their cables lead to. One NIC alone is plugged straight into QEMU's user network, where the
 * headnode is. Several are on a wire, which a relay joins to the user network, and on which peers answer.
 */
import { join } from "node:path";
import type { DisposableStack } from "../vm/disposable-stack.js";
import type { NicSpec, RelaySpec, UserNetworkSpec } from "../vm/machine-spec.js";
import type { BootPlan } from "./boot-plan.js";
import { AnsweringHost } from "./wire/answering-host.js";
import { Wire } from "./wire/wire.js";

export interface CnNetwork {
  /** The boot NIC first. */
  readonly nics: readonly NicSpec[];
  readonly relays: readonly RelaySpec[];
}

/**
 * @param headnode the user network that the headnode plays
 * @param cleanup is given what has to end with the boot
 */
export async function connectCn(
  { mac, nics, peers, reportDir }: Pick<BootPlan, "mac" | "nics" | "peers" | "reportDir">,
  headnode: UserNetworkSpec,
  cleanup: DisposableStack,
): Promise<CnNetwork> {
  if (nics.length === 0 && peers.length === 0) return { nics: [{ mac, network: headnode }], relays: [] };
  const wire = cleanup.use(await Wire.create({ capturePath: join(reportDir, "wire.pcap") }));
  wire.attach(new AnsweringHost(peers));
  const plugged: NicSpec[] = [];
  for (const each of [mac, ...nics]) plugged.push({ mac: each, network: await wire.addPort("nic") });
  return { nics: plugged, relays: [{ network: headnode, stream: await wire.addPort("relay") }] };
}
