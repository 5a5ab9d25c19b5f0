/**
 * All facts together, under the names that CNAPI, the agents and AdminUI read.
 * Source: sdc-cnapi lib/models/server.js and sdc-cn-agent docs/sysinfo.md, which say what each key means.
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
    /** networking.json; without it, or with one that is no JSON, what is in it is known from elsewhere or not at all. */
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

/** The kernel's arguments as agents know them: booter's ip= and BOOTIF= under the names of what they say. */
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
