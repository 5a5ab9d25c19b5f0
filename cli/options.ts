/** Options that several commands have. */
import { parseCount } from "../base/parse-count.js";
import { defaultProfileName, profileNames } from "../builder/profile/profiles.js";
import { bootOptions, type CommandLineOption } from "../harness/boot/boot-options.js";
import { Option } from "./commander.js";

export const profileOption = (): Option =>
  new Option("-p, --profile <name>", "what to build").choices(profileNames).default(defaultProfileName);

export const outputOption = (outRoot: string): Option =>
  new Option("-o, --output <dir>", "folder of the outputs").default(outRoot);

/** A boot's own, which builds and test runs have too. */
export const acceleratorOption = (): Option => declaredOption(bootOptions.accelerator);

/** An option whose value is a whole number, `least` or more. Reading it throws UsageError BAD_COUNT. */
export function countOption(flags: string, description: string, least: number): Option {
  const option = new Option(flags, description);
  return option.argParser((text): number => parseCount(option.long ?? flags, text, least));
}

/** An option of a boot. Its value is what the user gives; a text without a meaning throws the UsageError of the declaration. */
export function declaredOption(declared: CommandLineOption): Option {
  switch (declared.kind) {
    case "switch":
      return new Option(declared.flags, declared.help);
    case "list":
      return new Option(declared.flags, `${declared.help}; may be given again`).argParser(
        (text: string, before: readonly string[] = []) => {
          declared.parse(text);
          return [...before, text];
        },
      );
    case "value": {
      const option = new Option(declared.flags, declared.help).default(declared.default);
      if (declared.choices !== undefined) return option.choices(declared.choices);
      return option.argParser((text) => {
        declared.parse(text);
        return text;
      });
    }
    default:
      return declared satisfies never;
  }
}
