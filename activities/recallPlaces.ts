import type { KnownClaims, QueueRef } from '../workflows/contract/queue.ts';

export interface RecallPlacesDeps {
  readonly claims: {
    /** Unfinished jobs of a queue, with and without a place, each in order of arrival. */
    knownClaims(queue: QueueRef): Promise<KnownClaims>;
  };
}

/** What a queue without memory must know before it gives the first place away. Safe to repeat: it only reads. */
export const recallPlaces = ({ claims }: RecallPlacesDeps) =>
  async function recallPlaces(queue: QueueRef): Promise<KnownClaims> {
    return claims.knownClaims(queue);
  };
