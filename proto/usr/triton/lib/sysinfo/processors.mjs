/** Facts about processors, memory and virtualisation. */

export function processors({ host }) {
  const cpus = (host.read("/proc/cpuinfo") ?? "")
    .split("\n\n")
    .map((text) =>
      Object.fromEntries([...text.matchAll(/^([^\t:]+)\t*: ?(.*)$/gm)].map(([, key, value]) => [key, value])),
    )
    .filter((cpu) => cpu.processor !== undefined);
  // If the kernel reports no topology, each processor counts as its own socket and core.
  const socket = (cpu) => cpu["physical id"] ?? cpu.processor;
  const core = (cpu) => `${socket(cpu)}.${cpu["core id"] ?? cpu.processor}`;
  const flags = cpus[0]?.flags?.split(" ") ?? [];
  return {
    "CPU Type": cpus[0]?.["model name"] ?? "",
    "CPU Virtualization": ["vmx", "svm"].find((flag) => flags.includes(flag)) ?? "none",
    // The names come from SmartOS. The values are the numbers of sockets, cores and threads.
    "CPU Physical Cores": new Set(cpus.map(socket)).size,
    "CPU Core Count": new Set(cpus.map(core)).size,
    "CPU Total Cores": cpus.length,
    "MiB of Memory": Math.floor(
      Number(/^MemTotal:\s+(\d+) kB$/m.exec(host.read("/proc/meminfo") ?? "")?.[1] ?? 0) / 1024,
    ),
    // Instances are containers here.
    "VM Capable": false,
    "Bhyve Capable": false,
    "HVM API": false,
  };
}
