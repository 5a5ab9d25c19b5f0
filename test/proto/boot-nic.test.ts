/** proto's replacement of live-boot's network set-up: the booter's ip= goes to the BOOTIF NIC only. */
import { writeFile } from "node:fs/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { laterArguments } from "../../fixtures/later-arguments.js";
import { FakeInitramfs, shells } from "../../fixtures/proto-initramfs.js";

const test = suite("proto: boot NIC");

const twoNics = {
  "sys/class/net/lo/address": "00:00:00:00:00:00\n",
  "sys/class/net/fake1/address": "52:54:00:aa:00:02\n",
  "sys/class/net/fake1/device": "",
  "sys/class/net/fake1/carrier": "1\n",
  "sys/class/net/fake2/address": "52:54:00:aa:00:01\n",
  "sys/class/net/fake2/device": "",
  "sys/class/net/fake2/carrier": "1\n",
  "proc/sys/net/ipv6/conf/fake1/disable_ipv6": "0\n",
  "proc/sys/net/ipv6/conf/fake2/disable_ipv6": "0\n",
};
/** live-boot's own functions, which print "stock"; and its calls of the two functions. */
const stock = "Select_eth_device() { echo stock; }; do_netsetup() { echo stock; }\n";
const setUp = 'Select_eth_device; do_netsetup; echo "DEVICE=$DEVICE"';

for (const shell of shells) {
  const name = shell.join(" ");

  test(`${name}: the address goes to the NIC that BOOTIF names, and to no other`, async () => {
    for (const [IP, BOOTIF] of [
      ["10.77.0.41:::255.255.255.0::", "01-52-54-00-aa-00-01"],
      ["10.77.0.41:::255.255.255.0:::none", "01-52-54-00-AA-00-01"],
    ] as const) {
      await using initramfs = await FakeInitramfs.create({ shell, env: { IP, BOOTIF }, files: twoNics });
      assert.is(await initramfs.runInLiveBoot(setUp), "DEVICE=fake2\n");
      assert.is(
        await initramfs.read("commands"),
        "ip link set dev fake2 up\nip address add 10.77.0.41/255.255.255.0 dev fake2\n",
      );
      assert.is(await initramfs.read("run/triton/boot-nic"), "fake2 10.77.0.41/255.255.255.0\n");
      assert.is(await initramfs.read("proc/sys/net/ipv6/conf/fake2/disable_ipv6"), "1\n");
      assert.is(await initramfs.read("proc/sys/net/ipv6/conf/fake1/disable_ipv6"), "0\n");
      assert.equal(await initramfs.console(), []);
    }
  });

  test(`${name}: the booter's ip= and BOOTIF= win over later ones without an address, and the console reports it`, async () => {
    const booter = { IP: "10.77.0.41:::255.255.255.0::", BOOTIF: "01-52-54-00-aa-00-01" };
    for (const [key, value] of [
      ...[
        "dhcp",
        "any",
        "off",
        "none",
        "frommedia",
        ":::::eth0:dhcp",
        "::::cn7::dhcp",
        "10.9.9.9",
        "::1:::x",
        "a:b:c:d",
        "*",
      ].map((ip) => ["IP", ip] as const),
      ...["eth0", "01:52:54:00:aa:00:01", "01-52-54-00-aa-00-0g", "*"].map((bootif) => ["BOOTIF", bootif] as const),
    ]) {
      const later = `${key === "IP" ? "ip" : key}=${value}`;
      const cmdline = `boot=live BOOTIF=${booter.BOOTIF} ip=${booter.IP} x=y ${later} fetch=http://10.77.0.7/x\n`;
      const files = { ...twoNics, "proc/cmdline": cmdline };
      await using initramfs = await FakeInitramfs.create({ shell, env: { ...booter, [key]: value }, files });
      assert.is(await initramfs.runInLiveBoot(setUp, stock), "DEVICE=fake2\n", later);
      assert.is(await initramfs.read("run/triton/boot-nic"), "fake2 10.77.0.41/255.255.255.0\n");
      const [line = "", ...others] = await initramfs.console();
      assert.match(line, `triton: error: the kernel argument ${later} has no `);
      assert.match(line, `, so the booter's ${key === "IP" ? "ip" : key}=${booter[key]} is used; `);
      assert.equal(others, []);
    }
  });

  test(`${name}: a later ip= with an address and a netmask wins, because the last argument counts`, async () => {
    const IP = "10.77.0.42:::255.255.0.0";
    const env = { IP, BOOTIF: "01-52-54-00-aa-00-01" };
    const files = { ...twoNics, "proc/cmdline": `BOOTIF=${env.BOOTIF} ip=10.77.0.41:::255.255.255.0:: ip=${IP}\n` };
    await using initramfs = await FakeInitramfs.create({ shell, env, files });
    assert.is(await initramfs.runInLiveBoot(setUp, stock), "DEVICE=fake2\n");
    assert.is(await initramfs.read("run/triton/boot-nic"), "fake2 10.77.0.42/255.255.0.0\n");
    assert.equal(await initramfs.console(), []);
  });

  test(`${name}: an ip= or BOOTIF= after the booter's is used if and only if fixtures/later-arguments.ts says so`, async () => {
    const booter = { ip: "10.77.0.41", netmask: "255.255.255.0", bootif: "01-52-54-00-aa-00-01" };
    await using initramfs = await FakeInitramfs.create({ shell, files: twoNics });
    for (const { text, uses } of laterArguments) {
      const cmdline = `BOOTIF=${booter.bootif} ip=${booter.ip}:::${booter.netmask}:: ${text}`;
      await writeFile(initramfs.path("proc/cmdline"), `${cmdline}\n`);
      // initramfs-tools' init takes the last word of each name.
      const last = (key: string): string => cmdline.split(" ").findLast((word) => word.startsWith(`${key}=`)) ?? "";
      const [IP, BOOTIF] = ["ip", "BOOTIF"].map((key) => last(key).slice(key.length + 1));
      const find = `IP='${IP}' BOOTIF='${BOOTIF}'; find_bootif; find_booter_ip; echo "$address $netmask $bootif"`;
      const { ip, netmask, bootif } = { ...booter, ...uses };
      assert.is(await initramfs.runInLiveBoot(find), `${ip} ${netmask} ${bootif}\n`, text);
    }
  });

  test(`${name}: any other boot keeps live-boot's own functions`, async () => {
    for (const env of [{}, { IP: "dhcp", BOOTIF: "01-52-54-00-aa-00-01" }, { IP: "10.77.0.41:::255.255.255.0::" }]) {
      await using initramfs = await FakeInitramfs.create({ shell, env, files: twoNics });
      assert.is(await initramfs.runInLiveBoot(setUp, stock), "stock\nstock\nDEVICE=\n");
    }
  });

  test(`${name}: for a boot NIC in an aggregation, the bond of that one NIC carries the address`, async () => {
    const files = {
      ...twoNics,
      "run/triton/bonds":
        "aggr1 802.3ad 52:54:00:aa:00:07 52:54:00:aa:00:07\naggr0 802.3ad 52:54:00:aa:00:01 52:54:00:aa:00:02 52:54:00:aa:00:01\n",
      "sys/class/net/aggr0/bonding/mode": "balance-rr 0\n",
      "sys/class/net/aggr0/bonding/miimon": "0\n",
      "sys/class/net/aggr0/bonding/xmit_hash_policy": "layer2 0\n",
      "sys/class/net/aggr0/bonding/lacp_rate": "slow 0\n",
      "sys/class/net/aggr0/carrier": "1\n",
      "proc/sys/net/ipv6/conf/aggr0/disable_ipv6": "0\n",
    };
    const env = { IP: "10.77.0.41:::255.255.255.0::", BOOTIF: "01-52-54-00-aa-00-01" };
    await using initramfs = await FakeInitramfs.create({ shell, env, files });
    assert.is(await initramfs.runInLiveBoot(setUp), "DEVICE=aggr0\n");
    assert.is(
      await initramfs.read("commands"),
      [
        "modprobe bonding max_bonds=0",
        "ip link add aggr0 type bond",
        "ip link set dev aggr0 address 52:54:00:aa:00:01",
        "ip link set dev fake2 down",
        "ip link set dev fake2 master aggr0",
        "ip link set dev aggr0 up",
        "ip address add 10.77.0.41/255.255.255.0 dev aggr0\n",
      ].join("\n"),
    );
    assert.is(await initramfs.read("sys/class/net/aggr0/bonding/mode"), "802.3ad\n");
    assert.is(await initramfs.read("sys/class/net/aggr0/bonding/miimon"), "100\n");
    assert.is(await initramfs.read("sys/class/net/aggr0/bonding/xmit_hash_policy"), "layer2+3\n");
    assert.is(await initramfs.read("sys/class/net/aggr0/bonding/lacp_rate"), "fast\n");
    assert.is(await initramfs.read("run/triton/boot-nic"), "aggr0 10.77.0.41/255.255.255.0\n");
    assert.equal(await initramfs.console(), []);
  });

  test(`${name}: a bond that cannot be created is reported, and the boot NIC works without it`, async () => {
    const bonds = "aggr0 802.3ad 52:54:00:aa:00:01 52:54:00:aa:00:01\n";
    const env = { IP: "10.77.0.41:::255.255.255.0::", BOOTIF: "01-52-54-00-aa-00-01" };
    await using initramfs = await FakeInitramfs.create({
      shell,
      env,
      files: { ...twoNics, "run/triton/bonds": bonds },
    });
    assert.is(await initramfs.runInLiveBoot(setUp), "DEVICE=fake2\n");
    assert.equal(await initramfs.console(), [
      "triton: error: the initramfs cannot create the bond aggr0 of networking.json, so fake2 fetches the root without it; " +
        "check that the switch forwards the traffic of a single NIC",
    ]);
    assert.is(await initramfs.read("run/triton/boot-nic"), "fake2 10.77.0.41/255.255.255.0\n");
  });

  test(`${name}: a MAC that no NIC has gives an error after the time limit, and no NIC gets the address`, async () => {
    const env = { IP: "10.77.0.41:::255.255.255.0::", BOOTIF: "01-52-54-00-aa-00-09" };
    await using initramfs = await FakeInitramfs.create({ shell, env, files: twoNics });
    await initramfs.runInLiveBoot(`triton_boot_nic_timeout_seconds=1\n${setUp}`);
    assert.equal(await initramfs.console(), [
      "triton: error: no NIC with the MAC 52:54:00:aa:00:09 of the kernel argument BOOTIF was found in 1 s; " +
        "check that the image has a driver for it",
    ]);
    assert.is(await initramfs.read("commands"), "sleep 0.1\n".repeat(10));
  });

  test(`${name}: a missing carrier and a rejected address are reported, and the boot goes on`, async () => {
    const env = { IP: "10.77.0.41:::255.255.255.0::", BOOTIF: "01-52-54-00-aa-00-01" };
    const files = { ...twoNics, "sys/class/net/fake2/carrier": "0\n", "ip-fails": "" };
    await using initramfs = await FakeInitramfs.create({ shell, env, files });
    assert.is(await initramfs.runInLiveBoot(`triton_boot_nic_timeout_seconds=1\n${setUp}`), "DEVICE=fake2\n");
    assert.equal(await initramfs.console(), [
      "triton: error: the boot NIC fake2 (52:54:00:aa:00:01) rejects the address of the kernel argument " +
        "ip=10.77.0.41:::255.255.255.0::; correct the server's admin NIC in NAPI, and reboot",
      "triton: error: the boot NIC fake2 (52:54:00:aa:00:01) has no carrier after 1 s; check its cable",
    ]);
  });
}

test.run();
