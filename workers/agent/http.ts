/** Requests to the gateway over kept-alive connections, and what its refusals mean. */

import { Agent, request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { Problem } from '../gateway/protocol.ts';

/** A unix socket or a TCP address. */
export type GatewayAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** The job is over or the token outdated (401, 410): the agent ends. */
export class JobOver extends Error {
  constructor() {
    super('the job is over');
    this.name = 'JobOver';
  }
}

/** The gateway refused a request. */
export class Refused extends Error {
  readonly status: number;
  readonly problem: Problem;
  readonly retryAfterMs: number | undefined;

  constructor(status: number, problem: Problem, retryAfterMs: number | undefined) {
    super(problem.message);
    this.name = 'Refused';
    this.status = status;
    this.problem = problem;
    this.retryAfterMs = retryAfterMs;
  }
}

/** One request below `/agent/v1`. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  readonly signal?: AbortSignal;
  /** milliseconds without any byte on the connection after which the request fails */
  readonly idleMs?: number;
}

/** An answer below 300; the body must be read or destroyed. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: IncomingMessage;
}

/** Sends one request; throws JobOver, Refused, or the connection's error. */
export type Send = (call: Call) => Promise<Answer>;

const basePath = '/agent/v1';
const defaultIdleMs = 60_000;
const maxRefusalBytes = 64 * 1024;

/**
 * A sender for one gateway. Connections are reused; a gateway that restarted is met again by the next request.
 * @param token the pod's bearer token
 */
export const createSend = (address: GatewayAddress, token: string): Send => {
  const agent = new Agent({ keepAlive: true, maxSockets: 16, scheduling: 'fifo' });
  return async function send(call) {
    const body = await respond(call, { ...address, agent }, token);
    const status = body.statusCode ?? 0;
    if (status >= 200 && status < 300) return { status, headers: body.headers, body };
    const text = (await readAll(body, maxRefusalBytes).catch(() => Buffer.alloc(0))).toString();
    if (status === 401 || status === 410) throw new JobOver();
    throw new Refused(status, parseProblem(text, status), retryAfterMs(body.headers));
  };
};

const respond = (call: Call, connection: GatewayAddress & { readonly agent: Agent }, token: string): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const outgoing = request({
      ...connection,
      method: call.method,
      path: `${basePath}${call.path}`,
      headers: {
        ...call.headers,
        authorization: `Bearer ${token}`,
        ...(call.body !== undefined && { 'content-length': String(call.body.length) }),
      },
      ...(call.signal !== undefined && { signal: call.signal }),
    });
    outgoing.setTimeout(call.idleMs ?? defaultIdleMs, () => outgoing.destroy(new Error('the gateway is silent')));
    outgoing.once('response', resolve);
    outgoing.once('error', reject);
    outgoing.end(call.body);
  });

/** The whole body of an answer. @throws Error beyond `maxBytes` */
export const readAll = async (body: IncomingMessage, maxBytes = 64 * 1024 * 1024): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new Error('the answer is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

/** A JSON answer; undefined for an empty one (204). */
export const readJson = async <Body>(answer: Answer): Promise<Body | undefined> => {
  const bytes = await readAll(answer.body);
  return bytes.length === 0 ? undefined : (JSON.parse(bytes.toString()) as Body);
};

/** An answer that is no Problem comes from something between us and the gateway, or from a crash: worth a retry unless 4xx. */
export const parseProblem = (text: string, status: number): Problem => {
  const retryable = status >= 500 || status === 429 || status === 408;
  try {
    const { type, message, retryable: said } = JSON.parse(text) as Partial<Problem>;
    if (typeof type === 'string' && typeof message === 'string') return { type, message, retryable: said ?? retryable };
  } catch {
    // not JSON: judged by the status alone
  }
  return { type: '', message: `the gateway answered ${status}`, retryable };
};

const retryAfterMs = (headers: IncomingHttpHeaders): number | undefined => {
  const seconds = Number(headers['retry-after']);
  return headers['retry-after'] === undefined || Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0.05), 60) * 1_000;
};

/** True when the gateway itself could not be reached, so nothing is said about what lies behind it. */
export const isGatewayAway = (err: unknown): boolean =>
  err instanceof Error && ['ECONNREFUSED', 'ENOENT', 'EHOSTUNREACH', 'ENETUNREACH'].includes((err as NodeJS.ErrnoException).code ?? '');
