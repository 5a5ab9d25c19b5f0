/** Longest path of a Unix socket, in bytes, without the terminating null byte (unix(7)). */
export const LONGEST_SOCKET_PATH = 107;
