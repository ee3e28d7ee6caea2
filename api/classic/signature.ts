/** Who asks: a signature over a call's own message and its nonce. Classic Provider API §3. */

import { getBytes, hashMessage, keccak256, recoverAddress, toUtf8Bytes } from 'ethers';
import { isLosslessNumber } from 'lossless-json';
import type { Assets, JobLedger } from '../ports.ts';
import type { ExaminedTokens } from '../tokens.ts';
import { judgeFields, required, nonceNumber, type FieldRules } from './fields.ts';
import { InvalidFields, type FieldErrors } from './problems.ts';
import { Refusal } from '../problems.ts';
import { textOf } from './requestData.ts';

/** What a signed call says. */
export interface SignedCall {
  readonly data: Readonly<Record<string, unknown>>;
  /** name of the field with the caller's address */
  readonly addressField: string;
  /** what is signed, without the nonce at its end */
  readonly message: string;
  /** the `AuthToken` header: counts where there is no signature */
  readonly token?: string | undefined;
}

/** A caller whose signature or token is good. The nonce is not spent yet. */
export interface ClassicCaller {
  /** as written */
  readonly address: string;
  /** decimal text, without leading zeros */
  readonly nonce: string;
  readonly isByToken: boolean;
}

export interface SignatureDeps {
  readonly assets: Pick<Assets, 'verifyMessage'>;
  readonly ledger: Pick<JobLedger, 'spendNonce'>;
  readonly tokens: Pick<ExaminedTokens, 'examine' | 'verify'>;
}

const noSignature: FieldErrors = { signature: ['Invalid signature provided. Please check the nonce or documentId.'] };

const keySignature = /^0x[0-9a-f]{130}$/i;

/** The address that a plain signature names; null for what is none. */
const recoverSigner = (message: string, signature: string): string | null => {
  const last = Number.parseInt(signature.slice(-2), 16);
  const normalised = last < 2 ? signature.slice(0, -2) + (last + 27).toString(16) : signature;
  try {
    return recoverAddress(hashMessage(getBytes(keccak256(toUtf8Bytes(message)))), normalised);
  } catch {
    return null;
  }
};

/** The nonce as it was sent: its characters are part of what was signed. */
const nonceText = (value: unknown): string => (isLosslessNumber(value) ? value.toString() : (textOf(value) ?? ''));

/** True when `address` signed the whole `message`. */
export const isSigned = async ({ assets }: Pick<SignatureDeps, 'assets'>, address: string, message: string, signature: unknown) =>
  typeof signature === 'string' && signature.length <= 16_384 && assets.verifyMessage({ address, message, signature }, null);

const judgeSignature = async (deps: Pick<SignatureDeps, 'assets'>, call: SignedCall): Promise<FieldErrors> => {
  const address = textOf(call.data[call.addressField]) ?? '';
  const nonce = nonceText(call.data['nonce']);
  const signature = textOf(call.data['signature']);
  if (signature === null) return noSignature;
  if (await isSigned(deps, address, call.message + nonce, signature)) return {};
  const recovered = keySignature.test(signature) ? recoverSigner(call.message + nonce, signature) : null;
  if (recovered === null) return noSignature;
  return {
    signature: `Invalid signature ${signature} for ethereum address ${address}, message ${call.message} and nonce ${nonce}. Got ${recovered}`,
  };
};

/** True for a living token of that very address. */
const isTokenGood = async ({ tokens }: Pick<SignatureDeps, 'tokens'>, { data, addressField, token }: SignedCall): Promise<boolean> => {
  if (token === undefined || token === '') return false;
  const verdict = await tokens.examine(token);
  if (verdict.kind !== 'alive' || verdict.claims.address.toLowerCase() !== textOf(data[addressField])?.toLowerCase()) return false;
  // also counts the request of this consumer
  await tokens.verify(token);
  return true;
};

/**
 * Checks fields and signature together: the errors of all of them add up. Nothing is spent.
 * @param rules of the call's own fields; address and nonce are added
 * @throws InvalidFields
 */
export const verifyCall = async (
  deps: Pick<SignatureDeps, 'assets' | 'tokens'>,
  call: SignedCall,
  rules: FieldRules = {},
): Promise<ClassicCaller> => {
  const { data, addressField } = call;
  const isByToken = textOf(data['signature']) === null && (await isTokenGood(deps, call));
  const errors = judgeFields({ ...rules, [addressField]: [required], nonce: [required, nonceNumber] }, data);
  const isJudgeable =
    !isByToken && !Object.hasOwn(errors, 'signature') && !Object.hasOwn(errors, addressField) && !Object.hasOwn(errors, 'nonce');
  const all = { ...errors, ...(isJudgeable ? await judgeSignature(deps, call) : {}) };
  if (Object.keys(all).length > 0) throw new InvalidFields(all);
  const address = textOf(data[addressField]) ?? '';
  return { address, nonce: BigInt(nonceText(data['nonce'])).toString(), isByToken };
};

const staleText = (stored: string, given: string): string => `Invalid signature expected nonce (${stored}) > current nonce (${given}).`;

/**
 * Spends the nonce: of any number of calls with one nonce exactly one gets past this, unless they are for one job.
 * @throws InvalidFields, or Refusal 400 for a call with a token
 */
export const spendCall = async (
  { ledger }: Pick<SignatureDeps, 'ledger'>,
  { address, nonce, isByToken }: ClassicCaller,
  jobId: string | null = null,
): Promise<void> => {
  const outcome = await ledger.spendNonce(address.toLowerCase(), nonce, jobId);
  if (outcome.spent) return;
  const text = staleText(outcome.stored, nonce);
  throw isByToken ? new Refusal(400, text) : new InvalidFields({ signature: text });
};
