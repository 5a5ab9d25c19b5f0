/** Exit statuses of livelab. */
import type { FailureKind } from "../base/livelab-error.js";

/** Exit status by where the fault lies. */
export const exitStatus: Readonly<Record<FailureKind, number>> = {
  expectation: 1,
  usage: 2,
  host: 3,
  inputs: 4,
  stage: 5,
  internal: 70,
};

/** Exit status of an interrupted command: that of SIGINT, as in shells. */
export const INTERRUPTED_STATUS = 130;
