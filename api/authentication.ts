/** Who asks: a signature over address, nonce and command. Node-style Provider API §2. */

import { isLosslessNumber } from 'lossless-json';
import { Refusal } from './problems.ts';
import type { Assets, JobLedger } from './ports.ts';

/** Commands as they are signed. */
export type SignedCommand =
  'startCompute' | 'freeStartCompute' | 'stopCompute' | 'getComputeResult' | 'getComputeStreamableLogs' | 'encrypt';

/** What a request says about its sender, as received. */
export interface Claim {
  readonly consumerAddress: unknown;
  readonly nonce: unknown;
  readonly signature: unknown;
  /** the `Authorization` header */
  readonly authorization: string | undefined;
  /** where a smart account would be asked; number or decimal text, anything else means the first chain */
  readonly chainId?: unknown;
}

/** A sender whose signature is good. The nonce is not spent yet. */
export interface Caller {
  /** as written by the client */
  readonly address: string;
  /** decimal text */
  readonly nonce: string;
}

/** Clients send the literal texts `undefined` and `null` for what they do not have. */
export const isAbsent = (value: unknown): boolean =>
  value === undefined || value === null || value === '' || value === 'null' || value === 'undefined';

/** True for 20 bytes of hex with `0x`, in any case. */
export const isAddress = (value: unknown): value is string => typeof value === 'string' && /^0x[0-9a-fA-F]{40}$/.test(value);

/** The text that clients and users know from other providers. */
export const badAddressText = 'Parameter : "consumerAddress" is not a valid web3 address';

const noAuthentication = 'Invalid authentication, you need to provide either a token or an address, signature, message and nonce';

/** `nonce: {n} is not a valid nonce`, with as much of `n` as is sensible to repeat. */
export const staleNonce = (nonce: string): Refusal => new Refusal(401, `nonce: ${nonce.slice(0, 40)} is not a valid nonce`);

const nonceText = (value: unknown): string => {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || isLosslessNumber(value) ? value.toString() : '';
};

/**
 * The digits of a nonce, exactly as received: they are part of what was signed.
 * @param value decimal text or JSON integer
 * @throws Refusal 401 unless it is an integer from 0 to 2^53−1 (clients compute `Number(nonce) + 1`)
 */
export const readNonce = (value: unknown): string => {
  const text = nonceText(value);
  if (!/^\d{1,30}$/.test(text) || BigInt(text) > BigInt(Number.MAX_SAFE_INTEGER)) throw staleNonce(text);
  return text;
};

/** Refuses what carries a token: this installation issues none, so none can be alive. */
export const refuseToken = (authorization: string | undefined): void => {
  const token = authorization?.replace(/^bearer\s*/i, '').trim();
  if (!isAbsent(token)) throw new Refusal(401, 'Invalid token');
};

// r, s, v are 65 bytes; a smart account's signature (ERC-1271) may be longer
const looksLikeSignature = (value: unknown): value is string =>
  typeof value === 'string' && value.length <= 16_384 && /^0x([0-9a-fA-F]{2})+$/.test(value);

const readChainId = (value: unknown): number | null => {
  const chainId = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof chainId === 'number' && Number.isSafeInteger(chainId) ? chainId : null;
};

/** What authentication needs. */
export interface AuthenticationDeps {
  readonly assets: Pick<Assets, 'verifyMessage'>;
  readonly ledger: Pick<JobLedger, 'spendNonce'>;
}

/**
 * Checks the signature over `consumerAddress + nonce + command`; nothing is spent.
 * @throws Refusal 401, or 400 for an address that is none
 */
export const verifyCaller = async (
  { assets }: Pick<AuthenticationDeps, 'assets'>,
  claim: Claim,
  command: SignedCommand,
): Promise<Caller> => {
  const { consumerAddress, nonce, signature, authorization, chainId } = claim;
  if ([consumerAddress, nonce, signature].some(isAbsent)) {
    refuseToken(authorization);
    throw new Refusal(401, noAuthentication);
  }
  if (!isAddress(consumerAddress)) throw new Refusal(400, badAddressText);
  const digits = readNonce(nonce);
  const isGood =
    looksLikeSignature(signature) &&
    (await assets.verifyMessage(
      { address: consumerAddress, message: `${consumerAddress}${digits}${command}`, signature },
      readChainId(chainId),
    ));
  if (!isGood) throw new Refusal(401, 'consumer address and nonce signature mismatch');
  return { address: consumerAddress, nonce: BigInt(digits).toString() };
};

/** Spends the nonce: of any number of requests with one nonce exactly one gets past this. @throws Refusal 401 */
export const spendNonce = async ({ ledger }: Pick<AuthenticationDeps, 'ledger'>, { address, nonce }: Caller): Promise<void> => {
  const outcome = await ledger.spendNonce(address.toLowerCase(), nonce);
  if (!outcome.spent) throw staleNonce(nonce);
};

/** `verifyCaller`, then `spendNonce`: for calls that create nothing under the nonce. */
export const authenticate = async (deps: AuthenticationDeps, claim: Claim, command: SignedCommand): Promise<Caller> => {
  const caller = await verifyCaller(deps, claim, command);
  await spendNonce(deps, caller);
  return caller;
};
