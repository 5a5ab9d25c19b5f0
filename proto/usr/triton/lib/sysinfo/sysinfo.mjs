/**
 * Collects all facts, under the names that CNAPI, the agents and AdminUI read.
 * Source: sdc-cnapi lib/models/server.js and sdc-cn-agent docs/sysinfo.md, which define each key.
 */

import { identity } from "./identity.mjs";
import { network } from "./network.mjs";
import { nodeConfig } from "./node-config.mjs";
import { bootNicArguments, jsonObject, kernelArguments } from "./parse.mjs";
import { processors } from "./processors.mjs";
import { setUp } from "./setup.mjs";
import { storage } from "./storage.mjs";

const CONFIG_DIR = "/usr/triton/config";

/**
 * @param {import("./host.mjs").Host} host
 * @returns {Promise<Record<string, unknown>>}
 */
export async function sysinfo(host) {
  const networkingText = host.read(`${CONFIG_DIR}/triton-networking.json`);
  const context = {
    host,
    configDir: CONFIG_DIR,
    /** networking.json, or an empty object if it is missing or not a JSON object; other sources then provide some facts. */
    networking: jsonObject(networkingText) ?? {},
    nodeConfig: nodeConfig(host.read(`${CONFIG_DIR}/node.config`)),
    kernelArguments: kernelArguments(host.read("/proc/cmdline")),
    bootNic: bootNicArguments(host.read("/proc/cmdline")),
  };
  const [who, stored, linked] = await Promise.all([identity(context), storage(context), network(context)]);
  const { poolMembers, ...disks } = stored;
  return {
    ...who,
    Setup: await setUp(context, poolMembers),
    ...processors(context),
    ...disks,
    ...linked,
    "Boot Params": bootParams(context),
    "SDC Agents": agents(host),
  };
}

/** The kernel's arguments under the names that agents read. The parts of the booter's ip= and BOOTIF= have their own names. */
function bootParams({ kernelArguments: { ip: _, BOOTIF: __, ...others }, bootNic: { ip, netmask, mac } }) {
  return {
    ...others,
    ...(ip !== undefined && { admin_ip: ip, admin_netmask: netmask }),
    ...(mac !== undefined && { admin_mac: mac }),
  };
}

function agents(host) {
  const folder = "/opt/smartdc/agents/lib/node_modules";
  return host
    .list(folder)
    .map((name) => jsonObject(host.read(`${folder}/${name}/package.json`)))
    .filter((agent) => agent !== undefined)
    .map(({ name, version }) => ({ name, version }));
}
