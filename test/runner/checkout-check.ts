/** Checks that the files of the clone are as they were committed. */

import { LivelabError } from "../../base/livelab-error.js";
import { checkCheckout } from "../../builder/checkout/checkout.js";
import type { Check } from "./check.js";

export const checkoutCheck: Check = {
  name: "line ends, links and executable bits are as committed",
  async problems(root) {
    try {
      await checkCheckout(root);
      return [];
    } catch (error) {
      if (!(error instanceof LivelabError)) throw error;
      return [`${error.message}\n  ${error.hint}`];
    }
  },
};
