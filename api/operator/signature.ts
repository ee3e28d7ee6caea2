/** Which Provider asks: whose signature it is, and whether it counts. Operator-Service API §3 and §7. */

import { getBytes, hashMessage, id, recoverAddress } from 'ethers';
import { Refusal } from '../problems.ts';
import { exactText, type Data } from './callData.ts';
import type { OperatorDeps } from './ports.ts';

/** A text that may be signed for a call. */
export interface SignedForm {
  readonly text: string;
  /** false: whoever sees the call can send it again */
  readonly hasNonce: boolean;
}

/** What may be signed: the Provider's form first, then older ones. */
export interface SignedForms {
  readonly provider: string;
  readonly older: readonly SignedForm[];
}

/** A Provider on the list. Its nonce is not spent yet. */
export interface ProviderCaller {
  /** checksummed */
  readonly provider: string;
  /** decimal text */
  readonly nonce: string;
  /** false: the nonce is not signed, so it proves nothing and is not spent */
  readonly isNonceSigned: boolean;
}

const keySignature = /^0x[0-9a-f]{130}$/i;

/** Python ends a signature in 00 or 01, others in 1b or 1c. */
const normalise = (signature: string): string => {
  const last = Number.parseInt(signature.slice(-2), 16);
  return last < 2 ? signature.slice(0, -2) + (last + 27).toString(16) : signature;
};

/** The checksummed address that a signature over the hash of a text names. @throws Refusal 400 for what is no signature */
const recoverSigner = (text: string, signature: unknown): string => {
  try {
    if (typeof signature !== 'string' || !keySignature.test(signature)) throw new TypeError('no signature');
    return recoverAddress(hashMessage(getBytes(id(text))), normalise(signature));
  } catch {
    throw new Refusal(400, 'Failed to recover address');
  }
};

/**
 * The nonce as it was sent: its characters are part of what was signed.
 * @throws Refusal 400 for what is no whole number
 */
export const readNonce = (data: Data): string => {
  const text = exactText(data['nonce']) ?? '';
  if (!/^\d{1,40}$/.test(text)) throw new Refusal(400, '"nonce" must be a whole number');
  return text;
};

/**
 * Looks whose signature it is; only Providers on the list pass. Nothing is spent.
 * @throws Refusal 400 for what is no signature, 401 for somebody else's
 */
export const verifyProvider = (
  { settings }: Pick<OperatorDeps, 'settings'>,
  { signature, nonce, forms }: { readonly signature: unknown; readonly nonce: string; readonly forms: SignedForms },
): ProviderCaller => {
  const accepted: readonly SignedForm[] = [{ text: forms.provider, hasNonce: true }, ...(settings.takesOlderSignatures ? forms.older : [])];
  const signers = accepted.map(({ text, hasNonce }) => ({ address: recoverSigner(text, signature), hasNonce }));
  const known = signers.find(({ address }) => settings.providers.includes(address.toLowerCase()));
  if (known !== undefined) return { provider: known.address, nonce, isNonceSigned: known.hasNonce };
  const [first] = signers;
  throw new Refusal(
    401,
    `Invalid signature ${String(signature)} of documentId ${forms.provider},the signing ethereum account ${first?.address ?? ''} is not authorized to use this service.`,
  );
};

/**
 * Spends the nonce: of any number of calls with one nonce exactly one gets past this, unless they are for one job.
 * @throws Refusal 400
 */
export const spendProviderNonce = async (
  { ledger }: Pick<OperatorDeps, 'ledger'>,
  { provider, nonce, isNonceSigned }: ProviderCaller,
  jobId: string | null = null,
): Promise<void> => {
  if (!isNonceSigned) return;
  const given = BigInt(nonce).toString();
  const outcome = await ledger.spendNonce(provider.toLowerCase(), given, jobId);
  if (!outcome.spent) {
    throw new Refusal(400, `Invalid signature expected nonce (${outcome.stored}) > current nonce (${given}).`);
  }
};

/** Signed for everything but a start: owner and job, then the nonce. An owner who is not there is the word `None`. */
export const formsAboutJobs = (data: Data, nonce: string, older: { readonly withNonce: string | null }): SignedForms => {
  const owner = exactText(data['owner']) ?? 'None';
  const jobId = exactText(data['jobId']) ?? '';
  return {
    provider: owner + jobId + nonce,
    older: [...(older.withNonce === null ? [] : [{ text: older.withNonce, hasNonce: true }]), { text: owner + jobId, hasNonce: false }],
  };
};
