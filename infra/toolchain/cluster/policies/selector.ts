/** Label selectors of Kubernetes. Pure. */

import type { V1LabelSelector, V1LabelSelectorRequirement } from '@kubernetes/client-node';

/** Labels of an object. */
export type Labels = Readonly<Record<string, string>>;

/** True if the labels satisfy the selector; an empty selector takes everything. */
export const isSelected = (selector: V1LabelSelector, labels: Labels): boolean =>
  Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value) &&
  (selector.matchExpressions ?? []).every((requirement) => isSatisfied(requirement, labels));

const isSatisfied = ({ key, operator, values = [] }: V1LabelSelectorRequirement, labels: Labels): boolean => {
  const value = labels[key];
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    default:
      // the API server lets no other operator through; whoever meets one must not open anything
      return false;
  }
};
