import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bootOptions, commandLineOptions } from "../harness/boot/boot-options.js";
import { Command } from "./commander.js";
import { countOption, declaredOption } from "./options.js";

const test = suite("options of the command line");

/** A command that has all declared boot options. */
function bootCommand(): Command {
  const command = new Command("boot").exitOverride().configureOutput({ writeErr: () => {} });
  for (const [, declared] of commandLineOptions) command.addOption(declaredOption(declared));
  return command;
}

test("a declared option gives what the user wrote: a text, all texts of a list, or whether the switch is there", () => {
  const values = bootCommand()
    .parse(["--mac", "52:54:00:99:00:3A", "--nic", "52:54:00:00:00:02", "--nic", "52:54:00:00:00:04", "--chain"], {
      from: "user",
    })
    .opts();
  assert.is(values["mac"], "52:54:00:99:00:3A");
  assert.equal(values["nic"], ["52:54:00:00:00:02", "52:54:00:00:00:04"]);
  assert.is(values["chain"], true);
  assert.is(values["disk"], undefined);
  assert.is(values["until"], bootOptions.until.default);
});

test("a text that has no meaning is refused while the command line is read", () => {
  const refused = (...words: readonly string[]) => {
    try {
      bootCommand().parse([...words], { from: "user" });
      return "not refused";
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.match(refused("--medium", "floppy"), "Allowed choices are ipxe, iso, iso-disk, usb.");
  assert.match(refused("--uuid", "1234"), "1234 is not a UUID");
  assert.match(refused("--nic", "52:54:00:00:00:02", "--nic", "x"), "x is not the MAC address of a NIC");
  assert.match(refused("--until", "loggin"), 'there is no milestone "loggin"');
  assert.match(refused("--port", "0"), '--port "0" is not a whole number, 1 or more');
});

test("a count below its least, or in other than digits, is refused with the flag's name", () => {
  const read = (text: string) => () =>
    new Command("test")
      .exitOverride()
      .addOption(countOption("-j, --jobs <count>", "", 1))
      .parse(["-j", text], {
        from: "user",
      });
  assert.equal(read("12")().opts(), { jobs: 12 });
  for (const text of ["0", "1.5", "many", "1e3"])
    assert.throws(read(text), /^--jobs ".*" is not a whole number, 1 or more/, text);
});

test.run();
