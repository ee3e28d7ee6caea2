import { Wallet, getBytes, id } from 'ethers';
import { startApiProcesses, type ApiProcess, type ApiProcesses } from '../../support/apiProcesses.ts';
import { aJobId } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import { explainHistory, type SpendingCall } from '../../support/nonceHistory.ts';

const processCount = 3;
const callCount = 10_000;
const atOnce = 90;
/** calls of one address that are on their way together, more or less */
const addressesAtOnce = 9;
const addressCount = 120;

let opened: TestLedger;
let api: ApiProcesses;
beforeAll(async () => {
  opened = await openTestLedger();
  api = await startApiProcesses(processCount, opened.url);
}, 60_000);
afterAll(async () => {
  await api.close();
  await opened.close();
}, 60_000);

/** The same numbers in each run (mulberry32). @returns a function from 0 to 1 */
const createDice = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

/** A call that is about to be sent. */
interface Planned {
  readonly wallet: Wallet;
  readonly nonce: number;
  readonly kind: number;
  readonly process: number;
}

type Send = (target: ApiProcess, wallet: Wallet, nonce: string) => Promise<Response>;

const signatures = new Map<string, string>();
/** Texts begin with their signer's address; many calls repeat one. */
const signText = (wallet: Wallet, text: string): string => {
  const signature = signatures.get(text) ?? wallet.signMessageSync(getBytes(id(text)));
  signatures.set(text, signature);
  return signature;
};
const queryOf = (fields: Readonly<Record<string, string>>): string => new URLSearchParams(fields).toString();
const isNonceRefused = (text: string): boolean => /is not a valid nonce|expected nonce/.test(text);

/** Kinds of calls: what is sent, and what is answered when the nonce was good. */
const kinds: readonly { readonly send: Send; readonly good: number; readonly stale: number }[] = [
  {
    send: ({ url }, wallet, nonce) => {
      const body = JSON.stringify({
        address: wallet.address,
        nonce,
        signature: signText(wallet, `${wallet.address}${nonce}createAuthToken`),
      });
      return fetch(`${url}/api/services/auth/token`, { method: 'POST', body });
    },
    ...{ good: 200, stale: 401 },
  },
  {
    // a job that nobody has: the nonce is spent before anybody looks
    send: ({ url }, wallet, nonce) => {
      const { address: consumerAddress } = wallet;
      const signature = signText(wallet, `${consumerAddress}${nonce}stopCompute`);
      return fetch(`${url}/api/services/compute?${queryOf({ consumerAddress, nonce, signature, jobId: aJobId() })}`, { method: 'PUT' });
    },
    ...{ good: 404, stale: 401 },
  },
  {
    send: ({ classic }, wallet, nonce) => {
      const { address } = wallet;
      const expiration = String(Math.floor(Date.now() / 1_000) + 600);
      return fetch(
        `${classic}/api/services/createAuthToken?${queryOf({ address, nonce, expiration, signature: signText(wallet, address + nonce) })}`,
      );
    },
    ...{ good: 200, stale: 400 },
  },
];

/** Each address counts up; calls repeat its newest nonce, fall behind it or run ahead. */
const plan = (): readonly Planned[] => {
  const dice = createDice(20_261_123);
  const roll = (sides: number): number => Math.floor(dice() * sides);
  const wallets = Array.from({ length: addressCount }, () => new Wallet(Wallet.createRandom().privateKey));
  const newest = wallets.map(() => 10);
  return Array.from({ length: callCount }, (_, index) => {
    // addresses come into play one by one, so that the calls of one are close together
    const first = Math.floor((index / callCount) * (addressCount - addressesAtOnce));
    const who = first + roll(addressesAtOnce);
    if (roll(3) === 0) newest[who]! += 1 + roll(3);
    const nonce = Math.max(0, newest[who]! + [0, 0, 0, 1, -1, -2, 2][roll(7)]!);
    return { wallet: wallets[who]!, nonce, kind: roll(kinds.length), process: roll(processCount) };
  });
};

const perform = async ({ wallet, nonce, kind, process }: Planned): Promise<SpendingCall> => {
  const { send, good, stale } = kinds[kind]!;
  const begunAt = performance.now();
  const response = await send(api.processes[process]!, wallet, String(nonce));
  const endedAt = performance.now();
  const text = await response.text();
  const isAccepted = response.status === good && !isNonceRefused(text);
  if (!isAccepted && !(response.status === stale && isNonceRefused(text)))
    throw new Error(`status ${response.status}: ${text.slice(0, 200)}`);
  return { address: wallet.address, nonce, isAccepted, begunAt, endedAt };
};

/** So many at once, until all are done. */
const performAll = async (calls: readonly Planned[]): Promise<readonly SpendingCall[]> => {
  const waiting = calls.values();
  const done: SpendingCall[] = [];
  const work = async (): Promise<void> => {
    for (const call of waiting) done.push(await perform(call));
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return done;
};

const storedIn = async ({ url }: ApiProcess, address: string): Promise<unknown> =>
  ((await (await fetch(`${url}/api/services/nonce?userAddress=${address}`)).json()) as { nonce: unknown }).nonce;

describe('nonces in three API processes', () => {
  test(`${callCount} calls at once end as if they had come one after the other`, async () => {
    const calls = await performAll(plan());
    expect(calls).toHaveLength(callCount);
    // in truth at once: for most calls another one of their address was on its way
    const byAddress = [...Map.groupBy(calls, ({ address }) => address).values()];
    const isContended = (call: SpendingCall, others: readonly SpendingCall[]): boolean =>
      others.some((other) => other !== call && other.begunAt < call.endedAt && call.begunAt < other.endedAt);
    const contended = byAddress.flatMap((ofOne) => ofOne.filter((call) => isContended(call, ofOne)));
    expect(contended.length).toBeGreaterThan(callCount / 2);

    expect(explainHistory(calls)).toHaveLength(callCount);
    const accepted = calls.filter(({ isAccepted }) => isAccepted);
    expect(accepted.length).toBeGreaterThan(callCount / 20);
    expect(accepted.length).toBeLessThan(callCount / 2);
    for (const ofOne of byAddress) {
      const highest = Math.max(...ofOne.map(({ nonce }) => nonce));
      const { address } = ofOne[0]!;
      expect(ofOne.filter(({ nonce, isAccepted }) => isAccepted && nonce === highest)).toHaveLength(1);
      for (const process of api.processes) expect(String(await storedIn(process, address))).toBe(String(highest));
    }
  }, 180_000);
});
