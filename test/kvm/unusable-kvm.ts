/** Claims about an unusable /dev/kvm. Each claim restores the device. */
import * as assert from "uvu/assert";
import type { HostCheck } from "../../base/host-check.js";
import type { KvmClaim } from "./kvm-claim.js";
import { doctor, refusedBoot } from "./nested-commands.js";

/** Asserts that doctor reports emulation, and the reason. */
function assertEmulated({ state, detail }: { readonly state: string; readonly detail: string }, why: RegExp): void {
  assert.is(state, "optional", detail);
  assert.match(detail, /^emulation, because /);
  assert.match(detail, why);
}

export const noPermission: KvmClaim = {
  title:
    "for a user outside group kvm doctor names the group and the command that joins it, and --accel kvm is refused",
  verify: async (host) => {
    const { check } = await doctor(host, { as: "stranger" });
    const kvm = check("KVM");
    assertEmulated(kvm, /may not open \/dev\/kvm: it is open to the group kvm/);
    assert.match(kvm.remedy ?? "", /^sudo usermod -aG kvm \S+, then log in again$/);
    const said = await refusedBoot(host, "no-permission", { as: "stranger" });
    assert.match(said, /may not open \/dev\/kvm: it is open to the group kvm/);
    assert.match(said, /usermod -aG kvm/);
    return kvm.detail;
  },
};

export const noDevice: KvmClaim = {
  title: "without /dev/kvm doctor names the modules to load, and --accel kvm is refused",
  verify: async (host) => {
    await host.changeDevice("withdraw");
    try {
      const kvm = (await doctor(host)).check("KVM");
      assertEmulated(kvm, /\/dev\/kvm cannot be opened \(ENOENT\)/);
      assert.match(kvm.remedy ?? "", "modprobe kvm_intel (or kvm_amd)");
      assert.match(await refusedBoot(host, "no-device"), "/dev/kvm cannot be opened (ENOENT)");
      return kvm.detail;
    } finally {
      await host.changeDevice("offer");
    }
  },
};

export const busyKvm: KvmClaim = {
  title:
    "while another hypervisor holds the processors, doctor reports KVM as busy and --accel kvm is refused; then KVM works again",
  verify: async (host) => {
    await host.changeDevice("hold");
    let kvm: HostCheck;
    try {
      kvm = (await doctor(host, { reprobe: true })).check("KVM");
      assertEmulated(kvm, /busy/i);
      assert.match(kvm.remedy ?? "", "stop the other hypervisor");
      assert.match(await refusedBoot(host, "busy"), /busy/i);
    } finally {
      await host.changeDevice("release");
    }
    const again = (await doctor(host, { reprobe: true })).check("KVM");
    assert.is(again.state, "ok", again.detail);
    return kvm.detail;
  },
};
