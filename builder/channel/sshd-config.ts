/**
 * The sshd configuration of every builder machine. Its files are in /run/livelab: host_key, authorized_keys, sshd_config.
 * Source: sshd_config(5); OpenSSH 7.8 and later support all options.
 */

/** The only port that a machine may ask livelab to listen on (DESIGN D2). */
export const GATEWAY_PORT = 3142;

export const SSHD_CONFIG = `
HostKey /run/livelab/host_key
AuthorizedKeysFile /run/livelab/authorized_keys
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
AllowTcpForwarding remote
PermitListen 127.0.0.1:${GATEWAY_PORT}
MaxSessions 200
Ciphers aes128-gcm@openssh.com
PrintMotd no
LogLevel ERROR
`;
