/** Arguments of `zpool create`. Source: zpool-create(8) and zpoolconcepts(7) of OpenZFS. */

/** The key is a passphrase, which zpool reads from its standard input; `zfs load-key` asks for it again after each boot. */
const ENCRYPTED = ["-O", "encryption=on", "-O", "keyformat=passphrase", "-O", "keylocation=prompt"];

/**
 * @param {string} pool
 * @param {import("./pool-file.mjs").PoolFile} file
 * @param {{force: boolean, encrypt: boolean}} options
 * @returns {string[]} vdevs, spares, logs and cache in the file's order. Logs are not mirrored, as in SmartOS.
 */
export function zpoolArgv(pool, { vdevs, spares, logs, cache }, { force, encrypt }) {
  const group = (keyword, devices) => (devices.length > 0 ? [keyword, ...devices] : []);
  return [
    "create",
    ...(force ? ["-f"] : []),
    ...(encrypt ? ENCRYPTED : []),
    pool,
    ...vdevs.flatMap(({ type, devices }) => (type === undefined ? devices : [type, ...devices])),
    ...group("spare", spares),
    ...group("log", logs),
    ...group("cache", cache),
  ];
}
