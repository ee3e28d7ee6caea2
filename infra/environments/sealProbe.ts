/** The algorithm of self-tests: a program that tries to get out of its pod. */

/** What a pod must not reach; the gateway it may, and must be told there that it has no token. */
export interface SealTarget {
  /** for operators: `the cluster's API` */
  readonly name: string;
  /** `dns` is tried over UDP and TCP */
  readonly kind: 'tcp' | 'dns' | 'gateway';
  /** an address: pods resolve no names */
  readonly host: string;
  readonly port: number;
}

/** Addresses that nobody needs to name. */
const everywhere: readonly SealTarget[] = [{ name: "the cloud's metadata", kind: 'tcp', host: '169.254.169.254', port: 80 }];

/**
 * A packet that comes back is a way out, also when it says no: only silence, or a network that says that there is no
 * way, counts as sealed. The kernel sends the first packet of a connection again after one and after three seconds, so
 * a lost one does not look like a seal.
 */
const program = `'use strict';
const dgram = require('node:dgram');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const patienceMs = 3500;

const answered = ({ code }) => (code === 'ECONNREFUSED' || code === 'ECONNRESET' ? 'it refuses, so packets come back' : null);

const tryTcp = ({ host, port }) =>
  new Promise((resolve) => {
    const socket = net.connect({ host, port });
    const end = (how) => {
      socket.destroy();
      resolve(how);
    };
    socket.setTimeout(patienceMs, () => end(null));
    socket.once('connect', () => end('it takes connections'));
    socket.once('error', (err) => end(answered(err)));
  });

const question = Buffer.concat([
  Buffer.from('c2d001000001000000000000', 'hex'),
  ...'kubernetes.default.svc.cluster.local'.split('.').map((part) => Buffer.concat([Buffer.from([part.length]), Buffer.from(part)])),
  Buffer.from('0000010001', 'hex'),
]);

const tryUdp = ({ host, port }) =>
  new Promise((resolve) => {
    const socket = dgram.createSocket(net.isIPv6(host) ? 'udp6' : 'udp4');
    const ask = () => socket.send(question, () => undefined);
    const timers = [];
    const end = (how) => {
      timers.forEach(clearTimeout);
      socket.close();
      resolve(how);
    };
    socket.once('message', () => end('it answers over UDP'));
    socket.once('error', (err) => end(answered(err)));
    socket.connect(port, host, () => timers.push(...[0, 1000, 2000].map((ms) => setTimeout(ask, ms)), setTimeout(() => end(null), patienceMs)));
  });

const tryGateway = ({ host, port }) =>
  new Promise((resolve) => {
    const end = (how) => {
      request.destroy();
      resolve(how);
    };
    const request = http.get({ host, port, path: '/agent/v1/plan', timeout: patienceMs, agent: false }, ({ statusCode }) =>
      end(statusCode < 400 ? 'it answers ' + statusCode + ' to a caller without a token' : null),
    );
    request.once('timeout', () => end(null));
    request.once('error', () => end(null));
  });

const kinds = {
  tcp: tryTcp,
  gateway: tryGateway,
  dns: async (target) => (await Promise.all([tryUdp(target), tryTcp(target)])).find((how) => how !== null) ?? null,
};

// the way out of the pod is its node, or leads there
const nodeTargets = () =>
  fs
    .readFileSync('/proc/net/route', 'utf8')
    .split('\\n')
    .map((line) => line.split('\\t'))
    .filter(([, destination, gateway]) => destination === '00000000' && gateway !== '00000000')
    .map(([, , gateway]) => ({
      name: "the node's kubelet",
      kind: 'tcp',
      host: Buffer.from(gateway, 'hex').reverse().join('.'),
      port: 10250,
    }));

const main = async () => {
  const all = [...targets, ...nodeTargets()];
  const reached = (await Promise.all(all.map(async (target) => ({ ...target, how: await kinds[target.kind](target) })))).filter(
    ({ how }) => how !== null,
  );
  for (const { name, host, port, how } of reached) console.log('reached ' + name + ' at ' + host + ' port ' + port + ': ' + how);
  if (reached.length === 0) console.log('reached nothing but the gateway; tried ' + all.map(({ name }) => name).join(', '));
  process.exitCode = reached.length === 0 ? 0 : breachExitCode;
};

main();
`;

/** @returns the program's text; it ends with 0 when it reached nothing, with `breachExitCode` and a line for each thing reached otherwise */
export const sealProbe = (targets: readonly SealTarget[], breachExitCode: number): string =>
  `const breachExitCode = ${breachExitCode};\nconst targets = ${JSON.stringify([...targets, ...everywhere])};\n${program}`;
