/** All checks of the tree that need no image, the quickest first. */
import type { Check } from "./check.js";
import { checkoutCheck } from "./checkout-check.js";
import { distCheck } from "./dist-check.js";
import { formatCheck } from "./format-check.js";
import { importCheck } from "./import-check.js";
import { lockCheck } from "./lock-check.js";
import { shellCheck } from "./shell-check.js";
import { workflowCheck } from "./workflow-check.js";

export const treeChecks: readonly Check[] = [
  distCheck,
  checkoutCheck,
  importCheck,
  lockCheck,
  formatCheck,
  shellCheck,
  workflowCheck,
];
