/** Who listens, and who answers: looks at networks as a scanner does, from this machine and from inside pods. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { execa } from 'execa';

/**
 * Ports of TCP servers, out of the text of /proc/net/tcp and tcp6.
 * @param address those that listen on it or on every address
 */
export const listeningPortsIn = (table: string, address: string): readonly number[] => {
  const hex = address
    .split('.')
    .reverse()
    .map((part) => Number(part).toString(16).padStart(2, '0'))
    .join('')
    .toUpperCase();
  const found = [...table.matchAll(/^\s*\d+: ([0-9A-F]+):([0-9A-F]{4}) \S+ 0A /gm)];
  return [...new Set(found.filter(([, at = '']) => at === hex || /^0+$/.test(at)).map(([, , port = '']) => Number.parseInt(port, 16)))];
};

/** Answers datagrams. */
export const startEcho = async (address: string, port: number): Promise<{ close(): void }> => {
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
  socket.bind({ address, port });
  await once(socket, 'listening');
  return { close: () => void socket.close() };
};

/** Ports on which somebody of this machine listens on that address of it. */
export const portsOfThisMachine = (address: string): readonly number[] =>
  listeningPortsIn(['tcp', 'tcp6'].map((name) => readFileSync(`/proc/net/${name}`, 'utf8')).join('\n'), address);

/** Body of an attempt: what answers, even if only by refusing. */
export const scanFor = (candidates: readonly (readonly [host: string, port: number])[]): string => `
  const found = await Promise.all(${JSON.stringify(candidates)}.map(([host, port]) => new Promise((resolve) => {
    const socket = require('node:net').connect({ host, port });
    const end = (answers) => { socket.destroy(); resolve(answers ? [host + ':' + port] : []) };
    socket.setTimeout(4000, () => end(false)).once('connect', () => end(true)).once('error', ({ code }) => end(code === 'ECONNREFUSED'));
  })));
  return JSON.stringify(found.flat())`;

/** Makes the attempt of `scanFor` in the network of a process, which itself takes no part. */
export const scanFromNetworkOf = async (pid: number, scan: string): Promise<readonly string[]> => {
  const program = `(async () => {${scan}})().then(console.log)`;
  const { stdout } = await execa('nsenter', ['--target', String(pid), '--net', '--', process.execPath, '-e', program], { timeout: 60_000 });
  return JSON.parse(stdout) as string[];
};
