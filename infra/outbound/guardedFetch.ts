/** Every connection to a data source: only to addresses that were checked, within time limits, without a proxy. */

import { lookup as lookupName } from 'node:dns/promises';
import { isIP, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, request as sendRequest } from 'undici';
import { classifyAddress, parseAllowance, type Allowance } from './addresses.ts';
import { OutboundFailed, OutboundRefused, outboundError } from './outboundErrors.ts';
import { nextHop } from './redirects.ts';

/** One request to a data source. The body is kept in memory, because a redirect may send it again. */
export interface OutboundRequest {
  /** absolute, http or https; a user name and password in it become basic authorization */
  readonly url: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** bytes to ask for; `end` is included. The server may ignore it: look for status 206 */
  readonly range?: { readonly start: number; readonly end?: number };
}

/** A response whose body is still to be read; its owner reads it to the end or destroys it. */
export interface OutboundResponse {
  readonly status: number;
  /** names in lower case; values of repeated headers joined by a comma */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/**
 * Sends one request and follows up to five redirects, each checked like the first.
 * @returns the first response that is no redirect, whatever its status
 * @throws OutboundRefused when a rule of ours forbids the request: never try again
 * @throws OutboundFailed when network or server failed: try again. Neither message tells the address.
 */
export type GuardedFetch = (request: OutboundRequest, signal: AbortSignal) => Promise<OutboundResponse>;

/** Resolves a host name to all its addresses. */
export type NameLookup = (hostname: string) => Promise<readonly string[]>;

export interface GuardedFetchOptions {
  /** networks (`10.1.0.0/16`), addresses and host names that may be reached though they are not public */
  readonly allowedNetworks: readonly string[];
  /** from the name's lookup to the finished handshake */
  readonly connectTimeoutMs: number;
  /** from the sent request to the response's headers */
  readonly headersTimeoutMs: number;
  /** without a single byte of the body */
  readonly idleTimeoutMs: number;
  /** default: the operating system's */
  readonly lookup?: NameLookup;
}

/** A guarded fetch with the connections behind it. */
export interface GuardedFetcher {
  readonly fetch: GuardedFetch;
  /** Ends all connections, also ones in use. */
  close(): Promise<void>;
}

const maxRedirects = 5;
const maxAddressesTried = 4;

const lookupAll: NameLookup = async (hostname) => (await lookupName(hostname, { all: true })).map(({ address }) => address);

/**
 * Connections under the same guard, for a client library that writes its own requests. It follows no redirect, and its
 * errors may name addresses: pass them through `outboundError`.
 * @throws RangeError when an allowance cannot be read
 */
export const createGuardedAgent = (options: GuardedFetchOptions): Agent =>
  new Agent({
    connect: connectChecked(options, parseAllowance(options.allowedNetworks)),
    headersTimeout: options.headersTimeoutMs,
    bodyTimeout: options.idleTimeoutMs,
    pipelining: 1,
  });

/**
 * Makes the one way out to data sources. Names are resolved here and connections go to exactly the checked
 * addresses, so a name that changes its mind between check and connection gains nothing; a single forbidden address
 * among a name's addresses refuses the name. Environment variables for proxies are ignored.
 * @throws RangeError when an allowance cannot be read
 */
export const createGuardedFetcher = (options: GuardedFetchOptions): GuardedFetcher => {
  const agent = createGuardedAgent(options);
  return {
    async fetch(request, signal) {
      try {
        return await followRedirects(agent, request, signal);
      } catch (err) {
        throw outboundError(err, signal);
      }
    },
    close: () => agent.destroy(),
  };
};

/** As `createGuardedFetcher`, for callers that live as long as the process. */
export const createGuardedFetch = (options: GuardedFetchOptions): GuardedFetch => createGuardedFetcher(options).fetch;

const followRedirects = async (agent: Agent, first: OutboundRequest, signal: AbortSignal): Promise<OutboundResponse> => {
  let hop = nextHop.first(first);
  for (let redirects = 0; ; redirects++) {
    const response = await sendRequest(hop.url, {
      dispatcher: agent,
      method: hop.method,
      headers: hop.headers,
      body: hop.body ?? null,
      signal,
    });
    const headers = flattenHeaders(response.headers);
    const location = headers['location'];
    if (![301, 302, 303, 307, 308].includes(response.statusCode) || location === undefined) {
      return { status: response.statusCode, headers, body: response.body };
    }
    await response.body.dump({ limit: 16_384 });
    if (redirects >= maxRedirects) throw new OutboundRefused(`the data source redirects more than ${maxRedirects} times`);
    hop = nextHop.after(hop, response.statusCode, location);
  }
};

const flattenHeaders = (headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> => {
  const flat: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : value;
  }
  return flat;
};

/** The connector: resolve, check every address, connect to exactly one of them. */
const connectChecked = (options: GuardedFetchOptions, allowance: Allowance): buildConnector.connector => {
  const connectors = new Map<number, buildConnector.connector>();
  const connectorFor = (addresses: number): buildConnector.connector => {
    const known = connectors.get(addresses);
    if (known !== undefined) return known;
    const made = buildConnector({ timeout: Math.ceil(options.connectTimeoutMs / addresses), allowH2: false });
    connectors.set(addresses, made);
    return made;
  };
  const connect = async (target: buildConnector.Options): Promise<Socket> => {
    const host = target.hostname.replace(/^\[(.*)\]$/, '$1');
    const addresses = await resolveChecked(host, options, allowance);
    const tried = addresses.slice(0, maxAddressesTried);
    const servername = isIP(host) === 0 ? host.replace(/\.$/, '') : '';
    let failure: unknown;
    for (const address of tried) {
      try {
        return await openSocket(connectorFor(tried.length), { ...target, hostname: address, servername });
      } catch (err) {
        failure = err;
      }
    }
    throw failure;
  };
  return function connectToCheckedAddress(target, callback) {
    connect(target).then(
      (socket) => callback(null, socket),
      (err: unknown) => callback(outboundError(err), null),
    );
  };
};

const openSocket = (connector: buildConnector.connector, target: buildConnector.Options): Promise<Socket> =>
  new Promise((resolve, reject) => {
    connector(target, (...[err, socket]) => (err === null ? resolve(socket) : reject(err)));
  });

const resolveChecked = async (host: string, options: GuardedFetchOptions, allowance: Allowance): Promise<readonly string[]> => {
  const addresses = isIP(host) === 0 ? await lookupInTime(host, options) : [host];
  if (addresses.length === 0) throw new OutboundFailed("the data source's name has no address");
  for (const address of addresses) {
    const kind = classifyAddress(address);
    if (kind !== 'public' && !allowance.allows(host, address)) {
      throw new OutboundRefused(`the data source has an address that must not be reached (${kind})`);
    }
  }
  return addresses;
};

const lookupInTime = async (host: string, { lookup = lookupAll, connectTimeoutMs }: GuardedFetchOptions): Promise<readonly string[]> => {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new OutboundFailed("the data source's name was not resolved in time")), connectTimeoutMs);
  });
  try {
    return await Promise.race([lookup(host), late]);
  } finally {
    clearTimeout(timer);
  }
};
