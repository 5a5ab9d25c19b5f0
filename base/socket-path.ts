/** Longest path of a Unix socket, in bytes, without the final zero (unix(7)). */
export const LONGEST_SOCKET_PATH = 107;
