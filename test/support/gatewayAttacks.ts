/** What an algorithm would ask of the gateway, the one port that its network reaches: its agent alone has the token. */

import { randomBytes } from 'node:crypto';

/** What tokens are made of. */
export interface GatewayTargets {
  /** `http://host:port` */
  readonly url: string;
  /** a job that runs at the same time */
  readonly otherJob: string;
  /** a token of that job for an attempt that there is not; rightly signed */
  readonly tokenOfNoAttempt: string;
  /** a token of a job that has ended; rightly signed */
  readonly tokenOfEndedJob: string;
}

interface GatewayRequest {
  readonly method?: string;
  readonly path?: string;
  readonly authorization?: string;
  readonly body?: unknown;
}

const planPath = '/agent/v1/plan';

const requestsOf = ({ otherJob, tokenOfNoAttempt, tokenOfEndedJob }: GatewayTargets): Readonly<Record<string, GatewayRequest>> => {
  const madeUp = `${otherJob}.1.${randomBytes(32).toString('base64url')}`;
  const report = { outcome: 'done', phase: 'runAlgorithm', result: { exitCode: 0 } };
  return {
    'gets a plan without a token': {},
    'gets a plan with an empty token': { authorization: 'Bearer ' },
    'gets a plan with a word for a token': { authorization: 'Bearer token' },
    'gets a plan with a token of the right shape': { authorization: `Bearer ${madeUp}` },
    'gets a plan with the token of an attempt that there is not': { authorization: `Bearer ${tokenOfNoAttempt}` },
    'gets a plan with the token of another attempt under the number of the right one': {
      authorization: `Bearer ${tokenOfNoAttempt.replace(/\.\d+\./, '.1.')}`,
    },
    'gets a plan with the token of a job that has ended': { authorization: `Bearer ${tokenOfEndedJob}` },
    'gets a plan with a token as user and password': { authorization: `Basic ${Buffer.from(`agent:${madeUp}`).toString('base64')}` },
    'gets a plan with a token in the address': { path: `${planPath}?token=${madeUp}&access_token=${madeUp}` },
    'gets a file without a token': { path: '/agent/v1/files/0' },
    'reports an end without a token': { method: 'POST', path: '/agent/v1/reports', body: report },
    'reports an end of another job': { method: 'POST', path: '/agent/v1/reports', body: report, authorization: `Bearer ${madeUp}` },
    'publishes a result of another job': {
      ...{ method: 'PUT', path: '/agent/v1/outputs/0/parts/0', authorization: `Bearer ${madeUp}`, body: 'x' },
    },
    'writes the log of another job': { method: 'POST', path: '/agent/v1/events', authorization: `Bearer ${madeUp}`, body: {} },
    'leaves the paths of agents': { path: '/agent/v1/../../metrics' },
    'reads the metrics of the gateway': { path: '/metrics' },
    'reads the health of the gateway': { path: '/healthz' },
    'has the gateway fetch an address': { path: 'http://127.0.0.1/' },
    'opens a tunnel through the gateway': { method: 'CONNECT', path: '127.0.0.1:22' },
  };
};

const attempt = (url: string, { method = 'GET', path = planPath, authorization, body }: GatewayRequest): string => {
  const { hostname: host, port } = new URL(url);
  const headers = { ...(authorization !== undefined && { authorization }), 'content-type': 'application/json' };
  const request = { host, port: Number(port), method, path, headers, timeout: 5_000, agent: false };
  return `
    const status = await new Promise((resolve, reject) => {
      const request = http.request(${JSON.stringify(request)}, (res) => { res.resume(); resolve(res.statusCode) });
      request.on('connect', (res) => resolve(res.statusCode)).on('timeout', () => request.destroy(new Error('no answer'))).on('error', reject);
      request.end(${JSON.stringify(body === undefined ? '' : JSON.stringify(body))});
    });
    if (status >= 400) throw new Error('refused with ' + status);
    return status`;
};

/** Attempts by name, for a program that has `http`. */
export const gatewayAttacks = (targets: GatewayTargets): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(requestsOf(targets)).map(([name, request]) => [name, attempt(targets.url, request)]));

/** The same request as a token's owner makes it: it is answered. */
export const withToken = (url: string, token: string): string => attempt(url, { authorization: `Bearer ${token}` });
