/** Who asks: a signature over address, nonce and command. Node-style Provider API §2. */

import { isLosslessNumber } from 'lossless-json';
import { Refusal } from './problems.ts';
import type { Assets, JobLedger, Tokens } from './ports.ts';

/** Commands as they are signed. */
export type SignedCommand =
  | 'startCompute'
  | 'freeStartCompute'
  | 'stopCompute'
  | 'getComputeResult'
  | 'getComputeStreamableLogs'
  | 'encrypt'
  | 'createAuthToken'
  | 'invalidateAuthToken'
  | 'download'
  | 'decryptDDO';

/** Another text that is good for a call beside `consumerAddress + nonce + command`. */
export interface OtherMessage {
  readonly text: string;
  /** false: the nonce is not part of it, so it is not spent, and whoever sees the request can repeat it */
  readonly hasNonce: boolean;
}

/** What a request says about its sender, as received. */
export interface Claim {
  readonly consumerAddress: unknown;
  readonly nonce: unknown;
  readonly signature: unknown;
  /** the `Authorization` header */
  readonly authorization: string | undefined;
  /** where a smart account would be asked; number or decimal text, anything else means the first chain */
  readonly chainId?: unknown;
  /** @param address as written @param nonce as received */
  readonly otherMessages?: (address: string, nonce: string) => readonly OtherMessage[];
}

/** A sender whose signature or token is good. The nonce is not spent yet. */
export interface Caller {
  /** as written by the client */
  readonly address: string;
  /** decimal text; null when nothing with a nonce was signed: a token came instead */
  readonly nonce: string | null;
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
  readonly tokens: Pick<Tokens, 'verify'>;
}

/** The token in an `Authorization` header; null for none, also for the literal texts that clients send instead. */
export const tokenIn = (authorization: string | undefined): string | null => {
  const token = authorization?.replace(/^bearer(\s+|$)/i, '').trim();
  return token === undefined || isAbsent(token) ? null : token;
};

/**
 * Whose token an `Authorization` header carries.
 * @returns null without a token, also for the literal texts that clients send instead
 * @throws Refusal 401 for a token that is not alive
 */
export const readHolder = async (
  { tokens }: Pick<AuthenticationDeps, 'tokens'>,
  authorization: string | undefined,
): Promise<{ readonly address: string } | null> => (tokenIn(authorization) === null ? null : tokens.verify(authorization));

const verifyToken = async (deps: Pick<AuthenticationDeps, 'tokens'>, { consumerAddress, authorization }: Claim): Promise<Caller> => {
  const holder = await readHolder(deps, authorization);
  if (holder === null) throw new Refusal(401, noAuthentication);
  if (isAbsent(consumerAddress)) return { address: holder.address, nonce: null };
  if (!isAddress(consumerAddress)) throw new Refusal(400, badAddressText);
  if (consumerAddress.toLowerCase() !== holder.address.toLowerCase()) {
    throw new Refusal(401, 'Invalid token: it was made for another consumerAddress');
  }
  return { address: consumerAddress, nonce: null };
};

/** The first of the texts that is good for the call and was signed, or undefined. */
const findSigned = async (
  { assets }: Pick<AuthenticationDeps, 'assets'>,
  signed: { readonly address: string; readonly signature: unknown; readonly chainId: number | null },
  texts: readonly OtherMessage[],
): Promise<OtherMessage | undefined> => {
  const { address, signature, chainId } = signed;
  if (!looksLikeSignature(signature)) return undefined;
  for (const text of texts) {
    if (await assets.verifyMessage({ address, message: text.text, signature }, chainId)) return text;
  }
  return undefined;
};

/**
 * Checks the signature over `consumerAddress + nonce + command`, or, where a part of it is missing, the token. Nothing
 * is spent.
 * @throws Refusal 401, or 400 for an address that is none
 */
export const verifyCaller = async (
  deps: Pick<AuthenticationDeps, 'assets' | 'tokens'>,
  claim: Claim,
  command: SignedCommand,
): Promise<Caller> => {
  const { consumerAddress, nonce, signature, chainId, otherMessages = () => [] } = claim;
  if ([consumerAddress, nonce, signature].some(isAbsent)) return verifyToken(deps, claim);
  if (!isAddress(consumerAddress)) throw new Refusal(400, badAddressText);
  const digits = readNonce(nonce);
  const found = await findSigned(deps, { address: consumerAddress, signature, chainId: readChainId(chainId) }, [
    { text: `${consumerAddress}${digits}${command}`, hasNonce: true },
    ...otherMessages(consumerAddress, digits),
  ]);
  if (found === undefined) throw new Refusal(401, 'consumer address and nonce signature mismatch');
  return { address: consumerAddress, nonce: found.hasNonce ? BigInt(digits).toString() : null };
};

/**
 * Spends the nonce: of any number of requests with one nonce exactly one gets past this. Without a nonce there is
 * nothing to spend.
 * @param jobId the job that is asked for with it: the same request again is no replay
 * @throws Refusal 401
 */
export const spendNonce = async (
  { ledger }: Pick<AuthenticationDeps, 'ledger'>,
  { address, nonce }: Caller,
  jobId: string | null = null,
): Promise<void> => {
  if (nonce === null) return;
  const outcome = await ledger.spendNonce(address.toLowerCase(), nonce, jobId);
  if (!outcome.spent) throw staleNonce(nonce);
};

/** `verifyCaller`, then `spendNonce`: for calls that create nothing under the nonce. */
export const authenticate = async (deps: AuthenticationDeps, claim: Claim, command: SignedCommand): Promise<Caller> => {
  const caller = await verifyCaller(deps, claim, command);
  await spendNonce(deps, caller);
  return caller;
};
