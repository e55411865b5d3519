// The ways to say a budget: how the slider and the number go together, what is asked, and in which words.

import { count, number, percent } from "./parts.js";

const SMALLEST = 0.01; // of the bytes, at the left end of the slider
const WIDTH = 1000; // the slider's right end
const between = (share, low, high) => low * (high / low) ** share;
const place = (value, low, high) => Math.log(value / low) / Math.log(high / low);
const fastest = (ends) => (ends.least < ends.now ? ends.least : ends.now / 2); // where a slider begins
const rounded = (value, digits) => Number(value.toPrecision(digits));
const metricOf = (ends, name) => ends?.metrics.find((one) => one.name === name) ?? ends?.metrics[0];

// Of each: words beside the slider and the number; exact(share of the slider), share(number); ask(number); say(number).
// ends: what the studio measured, null where it has not; `sought` ones need it, and have a plan when one was found.
const KINDS = {
  factor: {
    sought: false, first: 0.5, min: 0, max: 100, step: "any",
    label: () => "Share that leaves",
    unit: () => "Percent",
    exact: (share) => rounded(100 * share, 3),
    share: (value) => value / 100,
    ask: (value) => ({ factor: value / 100 }),
    say: (value) => `${value} percent`,
  },
  bytes: {
    sought: false, first: 0.5, min: 1, max: "", step: "any",
    label: () => "Most bytes of the weights file",
    unit: ({ bytes }) => `Bytes, of ${count(bytes)}`,
    exact: (share, { bytes }) => Math.max(1, Math.round(between(share, SMALLEST * bytes, bytes))),
    share: (value, { bytes }) => place(value, SMALLEST * bytes, bytes),
    ask: (value) => ({ bytes: Math.round(value) }),
    say: (value) => `${count(value)} bytes`,
  },
  milliseconds: {
    sought: true, first: 0.5, min: 0.0001, max: "", step: "any",
    label: () => "Most milliseconds of a request",
    unit: (_, ends) => {
      if (!ends) return "ms";
      const least = ends.least < ends.now ? `${number(rounded(ends.least, 3))} at the least` : "and none is faster";
      return `ms, ${number(rounded(ends.now, 3))} now, ${least}`;
    },
    exact: (share, _, ends) => rounded(between(share, fastest(ends), ends.now), 3),
    share: (value, _, ends) => place(value, fastest(ends), ends.now),
    ask: (value, extra) => ({ milliseconds: value, rows: extra.rows }),
    say: (value) => `${value} milliseconds`,
  },
  max_drop: {
    sought: true, first: 0.05, min: 0, max: 99, step: "any",
    label: () => "Most that may be lost on validation",
    unit: (_, ends, extra) => {
      const one = metricOf(ends, extra.metric);
      return one ? `Percent of ${one.name}, ${number(rounded(one.value, 4))} now` : "Percent";
    },
    exact: (share, _, ends, extra) => rounded(100 * share * metricOf(ends, extra.metric).most, 3),
    share: (value, _, ends, extra) => value / (100 * metricOf(ends, extra.metric).most),
    ask: (value, extra) => ({ max_drop: value / 100, metric: extra.metric }),
    say: (value, ends, extra) => {
      const one = metricOf(ends, extra.metric);
      if (!one) return `${value} percent`;
      const limit = one.value * (1 + (one.falls ? -1 : 1) * value / 100);
      return `${value} percent: ${one.name} no ${one.falls ? "lower" : "higher"} than ${number(rounded(limit, 4))}`;
    },
  },
};

export function amount(kind) {
  const one = KINDS[kind];
  return {
    ...one,
    exact: (slide, ...rest) => one.exact(slide / WIDTH, ...rest),
    slide: (value, ...rest) => WIDTH * Math.min(Math.max(one.share(value, ...rest), 0), 1),
    first: one.first * WIDTH,
  };
}

// What was asked for and what was found, where a plan had to be found.
export function reached(goal) {
  if (goal.name === "milliseconds") {
    return ["A request", `${number(rounded(goal.after, 3))} ms`, `of ${number(rounded(goal.before, 3))} ms, measured before fine-tuning`];
  }
  const lost = goal.before ? (goal.after - goal.before) / Math.abs(goal.before) : 0;
  const words = `${lost < 0 ? "−" : "+"}${percent(Math.abs(lost), 2)} of ${number(goal.before)}, measured after fine-tuning`;
  return [goal.name, number(goal.after), words];
}
