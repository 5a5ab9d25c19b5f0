/** Facts about the machine's identity, its image and its boot time. */

const uuidForm = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export async function identity({ host, networking, nodeConfig }) {
  const dmi = (name) => host.read(`/sys/class/dmi/id/${name}`)?.trim() ?? "";
  const hardware = {
    HW_Version: dmi("product_version"),
    HW_Family: dmi("product_family"),
    Serial_Number: dmi("product_serial"),
    SKU_Number: dmi("product_sku"),
  };
  return {
    "Live Image": /^TRITON_RELEASE="(.*)"$/m.exec(host.read("/etc/os-release") ?? "")?.[1] ?? "",
    "System Type": "Linux",
    "SDC Version": "7.0",
    "Boot Time": Number(/^btime (\d+)$/m.exec(host.read("/proc/stat") ?? "")?.[1] ?? 0),
    Hostname: host.read("/proc/sys/kernel/hostname")?.trim() ?? "",
    ...optional("Datacenter Name", networking.datacenter_name ?? nodeConfig.datacenter_name),
    ...optional("DNS Domain", networking.dns_domain ?? nodeConfig.dns_domain),
    UUID: tritonUuid((await systemUuid(host, dmi)) ?? ""),
    Manufacturer: dmi("sys_vendor"),
    Product: dmi("product_name"),
    // Both spellings: that of the agents on Linux, and that of SmartOS, which AdminUI shows.
    ...hardware,
    ...Object.fromEntries(Object.entries(hardware).map(([key, value]) => [key.replace("_", " "), value])),
  };
}

const optional = (key, value) => (typeof value === "string" ? { [key]: value } : {});

/** Reads the UUID from dmidecode, or else from the kernel, as /usr/triton/lib/early-boot/hostid.sh does. */
async function systemUuid(host, dmi) {
  const said = (await host.run("/usr/sbin/dmidecode", "-s", "system-uuid")) ?? "";
  return [said, dmi("product_uuid")].map((text) => text.trim().toLowerCase()).find((text) => uuidForm.test(text));
}

/** Converts to Triton's spelling: SmartOS reads the first three fields, which are little-endian numbers, as bytes. */
function tritonUuid(uuid) {
  const [first, second, third, ...others] = uuid.split("-");
  const reversed = [first, second, third].map((field) => field?.match(/../g)?.reverse().join(""));
  return others.length === 0 ? "" : [...reversed, ...others].join("-");
}
