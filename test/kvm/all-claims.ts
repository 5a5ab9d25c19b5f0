/** The claims that `npm run test:kvm` proves in one nested host, in order. */

import type { KvmClaim } from "./kvm-claim.js";
import { kvmStopsTheGuest, qemuAborts } from "./late-failure.js";
import { busyKvm, noDevice, noPermission } from "./unusable-kvm.js";
import { bootsUnderKvm, builderVmGoesOn, builderVmUnderKvm, doctorFindsKvm, scenarioUnderKvm } from "./working-kvm.js";

export const allClaims: readonly KvmClaim[] = [
  doctorFindsKvm, // npm test proves this one as well
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
