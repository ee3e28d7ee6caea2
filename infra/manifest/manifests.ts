/** Manifests of ended jobs: made once, signed with the provider's key, never changed. */

import { SigningKey, getBytes, sha256 } from 'ethers';
import { manifestPayloadType, preAuthEncoding, type Envelope, type ManifestStatement } from '../../workflows/contract/manifest.ts';
import type { ManifestFacts } from '../ledger/manifests.ts';
import { addressOf } from '../ocean/providerFees.ts';
import { canonicalJson } from './canonicalJson.ts';
import { statementOf } from './statement.ts';

/** What manifests are kept in. */
export interface ManifestLedger {
  readManifest(jobId: string): Promise<Envelope | null>;
  readManifestFacts(jobId: string): Promise<ManifestFacts | null>;
  storeManifest(jobId: string, envelope: Envelope): Promise<Envelope>;
}

/** What {@link createManifests} works with. */
export interface ManifestsDeps {
  readonly ledger: ManifestLedger;
  /** 0x hex; the provider's current key */
  readonly privateKey: string;
  readonly version: string;
}

/** Gives manifests. */
export interface Manifests {
  /**
   * The job's manifest, made now if there is none yet. Everybody who asks, whenever, gets the same one.
   * @returns null for a job that has not ended, or that published nothing
   */
  manifestOf(jobId: string): Promise<Envelope | null>;
}

/** Signs the SHA-256 of DSSE's encoding. Deterministic (RFC 6979). @param privateKey 0x hex */
export const signStatement = (statement: ManifestStatement, privateKey: string): Envelope => {
  const payload = Buffer.from(canonicalJson(statement));
  const { serialized } = new SigningKey(privateKey).sign(sha256(preAuthEncoding(manifestPayloadType, payload)));
  return {
    payload: payload.toString('base64'),
    payloadType: manifestPayloadType,
    signatures: [{ keyid: addressOf(privateKey), sig: Buffer.from(getBytes(serialized)).toString('base64') }],
  };
};

export const createManifests = ({ ledger, privateKey, version }: ManifestsDeps): Manifests => {
  const maker = { address: addressOf(privateKey), version };
  return {
    async manifestOf(jobId) {
      const known = await ledger.readManifest(jobId);
      if (known !== null) return known;
      const facts = await ledger.readManifestFacts(jobId);
      return facts === null ? null : ledger.storeManifest(jobId, signStatement(statementOf(facts, maker), privateKey));
    },
  };
};
