import type { Position } from '../workflows/contract/queue.ts';

export interface RecordPositionsDeps {
  readonly positions: { recordPositions(positions: readonly Position[]): Promise<void> };
}

/** Lets clients read where their jobs stand. Safe to repeat and to arrive late: a job with a place stays as it is. */
export const recordPositions = ({ positions }: RecordPositionsDeps) =>
  async function recordPositions(moved: { readonly positions: readonly Position[] }): Promise<void> {
    await positions.recordPositions(moved.positions);
  };
