import { readFileSync } from 'node:fs';
import { classicOrderText } from '../../../infra/ocean/classic/orderTexts.ts';

const tx = '0xabc';
const provider = '0xProvider';
const rules = ['orderRules.ts', 'orders.ts']
  .map((name) => readFileSync(new URL(`../../../infra/ocean/${name}`, import.meta.url), 'utf8'))
  .join();

describe('why an order is not good, in the words of a classic Provider', () => {
  test.each([
    ['the order transaction is not found', 'order transaction failed.'],
    ['the order transaction failed', 'order transaction failed.'],
    ['the transaction holds no provider fee of this datatoken', 'Cannot find the event for the provider fee in tx id 0xabc.'],
    ['the provider fee is for another service', 'Cannot find the event for the provider fee in tx id 0xabc.'],
    ['mismatch between ordered c2d environment and selected one', 'Mismatch between ordered c2d environment and selected one.'],
    ['the provider fee is for another provider', 'The providerFeeAddress does not match the provider address 0xProvider'],
    ['the signature of the provider fee is not valid', 'Provider was not able to check the signed message in ProviderFees event'],
    [
      'the ordered compute time was exceeded: pay new provider fees by reusing the order',
      'Ordered c2d time was exceeded, check validUntil.',
    ],
    ['the transaction holds no order of this datatoken', 'Cannot find the event for the order transaction with tx id 0xabc.'],
    ['the order is for another service', 'Cannot find the event for the order transaction with tx id 0xabc.'],
    ['the amount in the event is less than the amount requested', 'The amount in the event is less than the amount requested.'],
    ['the order has expired', 'The order has expired.'],
    ['the sender of the order transaction is not the consumer or payer', 'sender of order transaction is not the consumer/payer.'],
    ['the order is for another consumer', 'the order is for another consumer'],
  ])('%s', (reason, text) => {
    // a reason that the rules no longer give would never be translated
    expect(rules).toContain(reason);
    expect(classicOrderText(reason, tx, provider)).toBe(text);
  });
});
