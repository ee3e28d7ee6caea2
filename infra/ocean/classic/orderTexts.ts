/** Why an order is not good, in the words of a classic Provider (Classic Provider API §8). */

const fixed: Readonly<Record<string, string>> = {
  'the order transaction is not found': 'order transaction failed.',
  'the order transaction failed': 'order transaction failed.',
  'mismatch between ordered c2d environment and selected one': 'Mismatch between ordered c2d environment and selected one.',
  'the signature of the provider fee is not valid': 'Provider was not able to check the signed message in ProviderFees event',
  'the ordered compute time was exceeded: pay new provider fees by reusing the order': 'Ordered c2d time was exceeded, check validUntil.',
  'the amount in the event is less than the amount requested': 'The amount in the event is less than the amount requested.',
  'the order has expired': 'The order has expired.',
  'the sender of the order transaction is not the consumer or payer': 'sender of order transaction is not the consumer/payer.',
};

const aboutFee = ['the transaction holds no provider fee of this datatoken', 'the provider fee is for another service'];
const aboutOrder = ['the transaction holds no order of this datatoken', 'the order is for another service'];

/**
 * @param reason of the order's rules
 * @returns the text that clients know; reasons that only our rules have stay as they are
 */
export const classicOrderText = (reason: string, txId: string, providerAddress: string): string => {
  if (aboutFee.includes(reason)) return `Cannot find the event for the provider fee in tx id ${txId}.`;
  if (aboutOrder.includes(reason)) return `Cannot find the event for the order transaction with tx id ${txId}.`;
  if (reason === 'the provider fee is for another provider') {
    return `The providerFeeAddress does not match the provider address ${providerAddress}`;
  }
  return fixed[reason] ?? reason;
};
