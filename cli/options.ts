/** Options that several commands share. */
import { parseCount } from "../base/parse-count.js";
import { defaultProfileName, profileNames } from "../builder/profile/profiles.js";
import {
  bootOptions,
  type CommandLineBootOptions,
  type CommandLineOption,
  commandLineOptions,
} from "../harness/boot/boot-options.js";
import { type Command, Option } from "./commander.js";

export const profileOption = (): Option =>
  new Option("-p, --profile <name>", "profile of the image").choices(profileNames).default(defaultProfileName);

export const outputOption = (outRoot: string): Option =>
  new Option("-o, --output <dir>", "folder of the outputs").default(outRoot);

/** --accel of a boot, which builds and test runs have, too. */
export const acceleratorOption = (): Option => declaredOption(bootOptions.accelerator);

/** --qemu of commands that start machines. Reading it sets $LIVELAB_QEMU, where every part looks (vm/qemu/find-qemu.ts). */
export const qemuOption = (): Option =>
  new Option("--qemu <program>", "a QEMU to use in place of livelab's own: a path, or a name in the PATH").argParser(
    (text: string): string => {
      process.env["LIVELAB_QEMU"] = text;
      return text;
    },
  );

/** An option whose value is a whole number, `least` or more. Reading it throws UsageError BAD_COUNT. */
export function countOption(flags: string, description: string, least: number): Option {
  const option = new Option(flags, description);
  return option.argParser((text): number => parseCount(option.long ?? flags, text, least));
}

/** Adds all options of a boot to a command. @returns finds them in the command's values, by attribute name */
export function addBootOptions(command: Command): (values: object) => CommandLineBootOptions {
  const declared = commandLineOptions.map(([name, option]) => [name, declaredOption(option)] as const);
  for (const [, option] of declared) command.addOption(option);
  return (values) => {
    const byAttribute = new Map<string, unknown>(Object.entries(values));
    return Object.fromEntries(declared.map(([name, option]) => [name, byAttribute.get(option.attributeName())]));
  };
}

/** Makes the option of a boot. Its value is the user's text; an invalid text throws the UsageError of the declaration. */
export function declaredOption(declared: CommandLineOption): Option {
  switch (declared.kind) {
    case "switch":
      return new Option(declared.flags, declared.help);
    case "list":
      return new Option(declared.flags, `${declared.help}; repeatable`).argParser(
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
