/** Answers that are written piece by piece. */

import { once } from 'node:events';
import type { Response } from 'express';

/** Aborted when the client has gone, or when the process ends. */
export const endOf = (res: Response, ending: AbortSignal): AbortSignal => {
  const gone = new AbortController();
  res.once('close', () => gone.abort());
  return AbortSignal.any([gone.signal, ending]);
};

/** Writes one piece as fast as the client reads; a slow reader holds back only itself. */
export const sendPiece = async (res: Response, piece: Uint8Array | string, signal: AbortSignal): Promise<void> => {
  if (!res.write(piece)) await once(res, 'drain', { signal }).catch(() => undefined);
};
