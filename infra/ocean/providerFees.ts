/** Provider fees: what a provider signs, and how a fee that a client shows is checked. */

import {
  SigningKey,
  computeAddress,
  getAddress,
  getBytes,
  hashMessage,
  hexlify,
  recoverAddress,
  solidityPackedKeccak256,
  toUtf8Bytes,
} from 'ethers';
import { z } from 'zod';

/** A signed fee, in the form clients pass to `startOrder` and `reuseOrder`. Amount in base units of the token. */
export interface SignedProviderFee {
  readonly providerFeeAddress: string;
  readonly providerFeeToken: string;
  readonly providerFeeAmount: string;
  /** 0x hex of compact JSON */
  readonly providerData: string;
  readonly v: 27 | 28;
  readonly r: string;
  readonly s: string;
  /** seconds since the epoch; 0 for no limit */
  readonly validUntil: number;
}

/** What a fee is for. */
export interface FeeTerms {
  readonly environment: string | null;
  readonly datatokenAddress: string;
  readonly serviceId: string;
  readonly token: string;
  readonly amount: bigint;
  /** seconds since the epoch; 0 for no limit */
  readonly validUntil: number;
  /** seconds since the epoch, with fraction */
  readonly timestamp: number;
}

/** A fee as an event or a client shows it; nothing in it is trusted yet. */
export interface ProviderFeeClaim {
  readonly providerFeeAddress: string;
  readonly providerFeeToken: string;
  readonly providerFeeAmount: bigint;
  readonly providerData: string;
  readonly v: number;
  readonly r: string;
  readonly s: string;
  readonly validUntil: bigint;
}

/** The parsed `providerData` of a fee. */
export interface ProviderData {
  readonly environment: string | null;
  /** seconds since the epoch */
  readonly timestamp: number;
  /** datatoken address, as written */
  readonly dt: string;
  readonly id: string;
}

const providerDataSchema = z.object({
  environment: z.string().nullish(),
  timestamp: z.coerce.number().catch(0),
  dt: z.string(),
  id: z.coerce.string(),
});

type FeeFields = Pick<ProviderFeeClaim, 'providerData' | 'providerFeeAddress' | 'providerFeeToken' | 'providerFeeAmount' | 'validUntil'>;

/** keccak256 of the packed fee, as Ocean's datatoken computes it. */
export const hashProviderFee = (fee: FeeFields): string =>
  solidityPackedKeccak256(
    ['bytes', 'address', 'address', 'uint256', 'uint256'],
    [fee.providerData, fee.providerFeeAddress, fee.providerFeeToken, fee.providerFeeAmount, fee.validUntil],
  );

/**
 * Signs a fee with the provider's key. The 32 bytes of the hash are signed, leading zeros included, so that the
 * contract accepts every one of them.
 */
export const signProviderFee = (privateKey: string, terms: FeeTerms): SignedProviderFee => {
  const key = new SigningKey(privateKey);
  const { environment, timestamp, datatokenAddress: dt, serviceId: id } = terms;
  // key order and compact form are part of the contract: clients and other providers compare this text
  const providerData = hexlify(toUtf8Bytes(JSON.stringify({ environment, timestamp, dt, id })));
  const providerFeeAddress = addressOf(privateKey);
  const providerFeeToken = getAddress(terms.token);
  const fields = { providerData, providerFeeAddress, providerFeeToken, providerFeeAmount: terms.amount };
  const { v, r, s } = key.sign(hashMessage(getBytes(hashProviderFee({ ...fields, validUntil: BigInt(terms.validUntil) }))));
  return { ...fields, providerFeeAmount: terms.amount.toString(), v, r, s, validUntil: terms.validUntil };
};

/** Checksummed address of a private key. */
export const addressOf = (privateKey: string): string => computeAddress(new SigningKey(privateKey));

/** True when the claim's own `providerFeeAddress` signed it. Never throws. */
export const isProviderFeeSigned = (claim: ProviderFeeClaim): boolean => {
  try {
    const v = claim.v < 27 ? claim.v + 27 : claim.v;
    const signer = recoverAddress(hashMessage(getBytes(hashProviderFee(claim))), { r: claim.r, s: claim.s, v });
    return signer.toLowerCase() === claim.providerFeeAddress.toLowerCase();
  } catch {
    return false;
  }
};

/** The content of `providerData`, or null when it is not the JSON that providers write. Never throws. */
export const parseProviderData = (hex: string): ProviderData | null => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(getBytes(hex));
    const { environment, timestamp, dt, id } = providerDataSchema.parse(JSON.parse(text));
    return { environment: environment ?? null, timestamp, dt, id };
  } catch {
    return null;
  }
};
