/**
 * Reads the description of a pool: the JSON that disklayout prints, or one like it that an operator wrote.
 *
 * @typedef {object} PoolFile
 * @property {{type?: string, devices: string[]}[]} vdevs names of devices; a device without a type is a vdev of its own
 * @property {string[]} spares
 * @property {string[]} logs
 * @property {string[]} cache
 */

import { json } from "../sysinfo/parse.mjs";
import { PoolError } from "./pool-error.mjs";

/** Fewest devices of each type of vdev, by zpool's own rule (get_replication() and is_grouping() of cmd/zpool/zpool_vdev.c). */
const FEWEST_DEVICES = new Map([
  ["mirror", 2],
  ["raidz", 2],
  ["raidz1", 2],
  ["raidz2", 3],
  ["raidz3", 4],
]);

/** Names that zpool would take for an option, or for a type of vdev. */
const notADevice = /^(?:-|(?:mirror|raidz\d*|d?raid\d*(?::.*)?|spare|log|special|dedup|cache|replacing|hole|missing)$)/;

/**
 * @param {string} text
 * @param {string} source name of the file, for messages
 * @returns {PoolFile}
 * @throws PoolError if it describes no pool, or uses a device twice
 */
export function parsePool(text, source) {
  const refuse = (what) => {
    throw new PoolError(`${source}: ${what}; try: disklayout >${source}`);
  };
  const config = json(text);
  if (typeof config !== "object" || config === null) refuse("it is not a JSON object");
  const used = new Set();

  const device = (disk, place) => {
    const name = disk?.name;
    if (typeof name !== "string" || !/^\S+$/.test(name) || notADevice.test(name)) {
      refuse(`${place} has no usable name: ${JSON.stringify(name)}`);
    }
    if (used.has(name)) refuse(`${name} occurs twice, the second time as ${place}`);
    used.add(name);
    return name;
  };
  const devices = (list, place) => {
    if (!Array.isArray(list)) refuse(`${place} is not a list of disks`);
    return list.map((disk, index) => device(disk, `${place}[${index}]`));
  };
  const vdev = (entry, index) => {
    const place = `vdevs[${index}]`;
    if (entry?.type === undefined && entry?.devices === undefined) return { devices: [device(entry, place)] };
    const fewest = FEWEST_DEVICES.get(entry.type);
    if (fewest === undefined) refuse(`${place} has the unknown type ${JSON.stringify(entry.type)}`);
    const names = devices(entry.devices, `${place}.devices`);
    if (names.length < fewest)
      refuse(`${place} is a ${entry.type} of ${names.length}; it needs at least ${fewest} disks`);
    return { type: entry.type, devices: names };
  };

  if (!Array.isArray(config.vdevs) || config.vdevs.length === 0) refuse("it has no vdevs");
  return {
    vdevs: config.vdevs.map(vdev),
    spares: devices(config.spares ?? [], "spares"),
    logs: devices(config.logs ?? [], "logs"),
    cache: devices(config.cache ?? [], "cache"),
  };
}
