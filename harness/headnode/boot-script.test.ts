import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type BootScriptOptions, bootScript, bootScriptName } from "./boot-script.js";
import { menuLst, menuLstName } from "./menu-lst.js";

const test = suite("boot script");

const options: BootScriptOptions = {
  stamp: "20260102T030405Z",
  mac: "52:54:00:AA:bb:0c",
  ip: "10.99.99.38",
  netmask: "255.255.255.0",
  headnode: "10.99.99.7",
  source: "http",
  httpPort: 80,
  serial: "ttyb",
  kernelArguments: [],
  hashFiles: false,
  bootFiles: ["networking.json", "networking.json.hash"],
};

test("a script without arguments and hashes equals booter's, with its two spaces and without a final newline", () => {
  assert.is(
    bootScript(options),
    `#!ipxe
kernel /os/20260102T030405Z/platform/x86_64/vmlinuz boot=live console=tty0 console=ttyS1,115200n8 BOOTIF=01-52-54-00-aa-bb-0c ip=10.99.99.38:::255.255.255.0::  fetch=http://10.99.99.7/os/20260102T030405Z/platform/x86_64/filesystem.squashfs
initrd http://10.99.99.7/os/20260102T030405Z/platform/x86_64/initrd
module http://10.99.99.7/extra/joysetup/node.config /etc/node.config
module http://\${next-server}/bootfs/525400aabb0c/networking.json /etc/triton-networking.json
module http://\${next-server}/bootfs/525400aabb0c/networking.json.hash /etc/triton-networking.json.hash
boot`,
  );
});

test("arguments keep their order, both hashes come before node.config, and every URL has the port", () => {
  assert.is(
    bootScript({
      ...options,
      httpPort: 8080,
      kernelArguments: ["hostname=cn-38", "noimport=true", "admin_nic=52:54:00:aa:bb:0c"],
      hashFiles: true,
      bootFiles: [],
    }),
    `#!ipxe
kernel /os/20260102T030405Z/platform/x86_64/vmlinuz boot=live console=tty0 console=ttyS1,115200n8 BOOTIF=01-52-54-00-aa-bb-0c ip=10.99.99.38:::255.255.255.0:: hostname=cn-38 noimport=true admin_nic=52:54:00:aa:bb:0c fetch=http://10.99.99.7:8080/os/20260102T030405Z/platform/x86_64/filesystem.squashfs
initrd http://10.99.99.7:8080/os/20260102T030405Z/platform/x86_64/initrd
module http://10.99.99.7:8080/os/20260102T030405Z/platform/x86_64/filesystem.squashfs.hash filesystem.squashfs.hash
module http://10.99.99.7:8080/os/20260102T030405Z/platform/x86_64/initrd.hash initrd.hash
module http://10.99.99.7:8080/extra/joysetup/node.config /etc/node.config
boot`,
  );
});

test("a script for TFTP has no port in its URLs, and loads the kernel from the script's server", () => {
  const lines = bootScript({ ...options, source: "tftp", httpPort: 8080 }).split("\n");
  const platform = "/os/20260102T030405Z/platform/x86_64";
  assert.match(lines[1] ?? "", `kernel ${platform}/vmlinuz boot=live`);
  assert.match(lines[1] ?? "", ` fetch=tftp://10.99.99.7${platform}/filesystem.squashfs`);
  assert.is(lines[2], `initrd tftp://10.99.99.7${platform}/initrd`);
  assert.is(lines[3], "module tftp://10.99.99.7/extra/joysetup/node.config /etc/node.config");
  assert.match(lines[4] ?? "", /^module tftp:\/\/\$\{next-server\}\/bootfs\/525400aabb0c\/networking.json /);
});

test("Linux prints on the port that CNAPI names, by its place in the alphabet", () => {
  for (const [serial, port] of [
    ["ttya", "ttyS0"],
    ["ttyb", "ttyS1"],
    ["ttyc", "ttyS2"],
    ["ttyd", "ttyS3"],
  ] as const) {
    // biome-ignore format: pairs
    assert.match(bootScript({ ...options, serial }), ` boot=live console=tty0 console=${port},115200n8 BOOTIF=`);
    const menu = menuLst({ ...options, serial });
    assert.match(menu, `\nvariable os_console console=${port},115200n8\n`);
    assert.match(menu, `vmlinuz console=tty0 console=${port},115200n8\n`);
  }
});

test("the names of script and menu have the MAC in upper case", () => {
  assert.is(bootScriptName("52:54:00:aa:bb:0c"), "boot.ipxe.01525400AABB0C");
  assert.is(menuLstName("52:54:00:aa:bb:0c"), "menu.lst.01525400AABB0C");
});

test.run();
