/**
 * What clients 4.0 to 5.1 sign instead of `consumerAddress + nonce + command`. Node-style Provider API §2. Accepted only
 * where the operator says so: parts follow each other without separators, several calls share one text, and the text of
 * a stop has no nonce, so that whoever sees such a request can repeat it.
 */

import type { OtherMessage } from '../authentication.ts';

type Messages = (address: string, nonce: string) => readonly OtherMessage[];

const withNonce = (text: string): readonly OtherMessage[] => [{ text, hasNonce: true }];

/** Texts by call; missing parts are what the client's concatenation makes of them. */
export const olderMessages = {
  /** @param documentId of the first dataset */
  start:
    (documentId: unknown): Messages =>
    (address, nonce) =>
      withNonce(`${address}${typeof documentId === 'string' ? documentId : 'undefined'}${nonce}`),
  freeStart: (): Messages => (_address, nonce) => withNonce(nonce),
  logs:
    (jobId: string): Messages =>
    (address, nonce) =>
      withNonce(`${address}${jobId}${nonce}`),
  /** replayable: a copy can only stop that same job again */
  stop:
    (jobId: string): Messages =>
    (address) => [{ text: `${address}${jobId}`, hasNonce: false }],
  /** ambiguous: index 1 with nonce 23 is index 12 with nonce 3; a growing nonce limits it to another result of the job */
  result:
    (jobId: string, index: string): Messages =>
    (address, nonce) =>
      withNonce(`${address}${jobId}${index}${nonce}`),
  download:
    (documentId: string): Messages =>
    (_address, nonce) =>
      withNonce(`${documentId}${nonce}`),
  token: (): Messages => (address, nonce) => withNonce(`${address}${nonce}`),
  /** from 5.1; before that the call is not signed at all */
  encrypt: (): Messages => (_address, nonce) => withNonce(nonce),
} as const;

/** The same messages where they are accepted, none elsewhere. */
export const onlyIf = (isAccepted: boolean, messages: Messages): Messages => (isAccepted ? messages : () => []);
