/** Exit statuses of livelab. */
import type { FailureKind } from "../base/livelab-error.js";

/** By where the fault lies. */
export const exitStatus: Readonly<Record<FailureKind, number>> = {
  expectation: 1,
  usage: 2,
  host: 3,
  inputs: 4,
  stage: 5,
  internal: 70,
};

/** That of SIGINT, as shells have it. */
export const INTERRUPTED_STATUS = 130;
