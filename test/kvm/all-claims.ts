/** What `npm run test:kvm` proves: the claims of one nested host, in their order. */

import type { KvmClaim } from "./kvm-claim.js";
import { kvmStopsTheGuest, qemuAborts } from "./late-failure.js";
import { busyKvm, noDevice, noPermission } from "./unusable-kvm.js";
import { bootsUnderKvm, builderVmGoesOn, builderVmUnderKvm, doctorFindsKvm, scenarioUnderKvm } from "./working-kvm.js";

export const allClaims: readonly KvmClaim[] = [
  doctorFindsKvm, // npm test proves it as well
  bootsUnderKvm,
  builderVmUnderKvm,
  builderVmGoesOn,
  scenarioUnderKvm,
  kvmStopsTheGuest,
  qemuAborts,
  noPermission,
  noDevice,
  busyKvm,
];
