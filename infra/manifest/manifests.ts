/** Manifests of ended jobs: made once, signed with the provider's key, never changed. */

import { setTimeout as pause } from 'node:timers/promises';
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
  /** how long after a job's end the runtime may still tell which image ran; milliseconds */
  readonly imagePatienceMs?: number;
}

/** Gives manifests. */
export interface Manifests {
  /**
   * The job's manifest, made now if there is none yet. Everybody who asks, whenever, gets the same one. A node tells of an
   * algorithm's image up to a second after its start, so also after the end of a short one: that is waited for.
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

const imageLookMs = 100;

export const createManifests = ({ ledger, privateKey, version, imagePatienceMs = 5_000 }: ManifestsDeps): Manifests => {
  const maker = { address: addressOf(privateKey), version };
  const settledFactsOf = async (jobId: string): Promise<ManifestFacts | null> => {
    for (;;) {
      const facts = await ledger.readManifestFacts(jobId);
      if (facts === null || facts.image !== null || Date.now() - facts.endedAtMs > imagePatienceMs) return facts;
      await pause(imageLookMs);
    }
  };
  return {
    async manifestOf(jobId) {
      const known = await ledger.readManifest(jobId);
      if (known !== null) return known;
      const facts = await settledFactsOf(jobId);
      return facts === null ? null : ledger.storeManifest(jobId, signStatement(statementOf(facts, maker), privateKey));
    },
  };
};
