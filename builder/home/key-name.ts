/** Names that livelab itself gives in $LIVELAB_HOME: the key of a layer, a base or a lock, 64 hexadecimal digits (SHA-256). */

/** Whether livelab gave the name. Anything else in these folders belongs to the user, and is never removed. */
export const isKeyName = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);
