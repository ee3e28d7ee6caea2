/** How many requests an IP address and a consumer may make: a bucket each, which fills at a steady rate. */

import { isIPv6 } from 'node:net';
import type { Express, RequestHandler } from 'express';
import type { Assets, Rates, Tokens } from './ports.ts';
import { Refusal } from './problems.ts';

export interface RateSettings {
  /** 0: no limit */
  readonly perIpPerMinute: number;
  /** of a consumer whose signature or token was good; 0: no limit */
  readonly perAddressPerMinute: number;
  /** addresses and networks of proxies whose `X-Forwarded-For` is believed */
  readonly trustedProxies: readonly string[];
  /** milliseconds, never going back */
  readonly now?: () => number;
}

interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Beyond this the one that was used least recently is forgotten, so that memory stays small under any attack. */
const mostBuckets = 100_000;

/** Takes one request from a bucket that holds a minute's worth. @returns seconds to wait, 0 when there is none */
export const createBuckets = (perMinute: number, now: () => number, most = mostBuckets) => {
  const buckets = new Map<string, Bucket>();
  const perMs = perMinute / 60_000;
  return (key: string): number => {
    const nowMs = now();
    const before = buckets.get(key) ?? { tokens: perMinute, filledAtMs: nowMs };
    const tokens = Math.min(perMinute, before.tokens + (nowMs - before.filledAtMs) * perMs);
    buckets.delete(key);
    if (buckets.size >= most) buckets.delete(buckets.keys().next().value ?? '');
    buckets.set(key, { tokens: tokens >= 1 ? tokens - 1 : tokens, filledAtMs: nowMs });
    return tokens >= 1 ? 0 : Math.max(1, Math.ceil((1 - tokens) / perMs / 1_000));
  };
};

/** One household, one key: of an IPv6 address the first 64 bits; IPv4 in IPv6 is IPv4. */
export const keyOfIp = (ip: string): string => {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(ip)?.[1];
  if (mapped !== undefined || !isIPv6(ip)) return mapped ?? ip;
  const [head = '', tail] = ip.split('%')[0]?.split('::') ?? [];
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const groups = tail === undefined ? first : [...first, ...Array<string>(Math.max(0, 8 - first.length - last.length)).fill('0'), ...last];
  return groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
};

const requireRoom = (waitSeconds: number, whose: string): void => {
  if (waitSeconds === 0) return;
  throw new Refusal(429, `Rate limit exceeded: too many requests ${whose}, try again in ${waitSeconds} s`, {
    'Retry-After': String(waitSeconds),
  });
};

/** A limit that lets everything through. */
const unlimited = (): number => 0;

/** Limits of one process; every surface counts into the same buckets. */
export const createRates = ({
  perIpPerMinute,
  perAddressPerMinute,
  trustedProxies,
  now = () => performance.now(),
}: RateSettings): Rates => {
  const ofIp = perIpPerMinute === 0 ? unlimited : createBuckets(perIpPerMinute, now);
  const ofAddress = perAddressPerMinute === 0 ? unlimited : createBuckets(perAddressPerMinute, now);
  const count = (address: string): void => requireRoom(ofAddress(address.toLowerCase()), 'of this consumer');
  return {
    trustProxies: (app: Express) => void app.set('trust proxy', trustedProxies.length === 0 ? false : [...trustedProxies]),
    byIp: function limitByIp(req, _res, next) {
      requireRoom(ofIp(keyOfIp(req.ip ?? '')), 'from this IP address');
      next();
    } satisfies RequestHandler,
    limitCallers: <Deps extends { readonly assets: Assets; readonly tokens: Tokens }>(deps: Deps): Deps => ({
      ...deps,
      // counted when the signature is good, before the nonce is spent: nobody can use up another's share, and the same request can be sent again
      assets: {
        ...deps.assets,
        verifyMessage: async (claim, chainId) => {
          const isGood = await deps.assets.verifyMessage(claim, chainId);
          if (isGood) count(claim.address);
          return isGood;
        },
      },
      tokens: {
        ...deps.tokens,
        verify: async (authorization) => {
          const holder = await deps.tokens.verify(authorization);
          count(holder.address);
          return holder;
        },
      },
    }),
  };
};
