/** Encrypts every payload of every history; keys can be rotated. */

import { METADATA_ENCODING_KEY, type Payload, type PayloadCodec } from '@temporalio/common';
// a CommonJS package whose names Node cannot see: only its default export is there at run time
import proto from '@temporalio/proto';
import type { Keyring } from '../crypto/keyring.ts';

const encoding = Buffer.from('binary/encrypted');
const context = 'temporal-payload';
const PayloadMessage = proto.temporal.api.common.v1.Payload;

/** AES-256-GCM over the whole payload, metadata included. Payloads that are not ours pass unchanged. */
export const createPayloadCodec = (keyring: Keyring): PayloadCodec => ({
  async encode(payloads) {
    return payloads.map((payload) => ({
      metadata: { [METADATA_ENCODING_KEY]: encoding },
      data: keyring.seal(PayloadMessage.encode(payload).finish(), context),
    }));
  },
  async decode(payloads) {
    return payloads.map((payload): Payload => {
      const isOurs = Buffer.compare(payload.metadata?.[METADATA_ENCODING_KEY] ?? Buffer.alloc(0), encoding) === 0;
      return isOurs && payload.data ? PayloadMessage.decode(keyring.open(payload.data, context)) : payload;
    });
  },
});
