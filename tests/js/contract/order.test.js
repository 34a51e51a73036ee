// One order for all: many publishers, many members, across the upgrade.
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";

import { Setup, ask1, collect, upgraded } from "../clients.js";
import { eventually } from "../harness.js";

const CLIENTS = 30;
const BROADCASTS = 100;

for (const road of ["websocket", "polling", "polling, then upgrade"]) {
  describe(`order, ${road}`, () => {
    const setup = new Setup("4.8.4 (ESM)", road, "default");
    afterEach(() => setup.close());

    test("30 clients see 100 broadcasts of many publishers in one and the same order", async () => {
      const clients = await setup.crowd(CLIENTS);
      await Promise.all(clients.map((client) => ask1(client, "join", "everybody")));
      const seen = clients.map((client) => collect(client, "numbered"));
      // Every client publishes, none waits for another, so any order will do as long as it is one.
      await Promise.all(Array.from({ length: BROADCASTS }, (_, i) => publish(clients[i % CLIENTS], i)));
      await eventually(() => seen.every((list) => list.length >= BROADCASTS), "all broadcasts at all clients");
      const orders = seen.map((list) => list.map(([i]) => i));
      assert.deepEqual(
        orders[0].toSorted((a, b) => a - b),
        Array.from({ length: BROADCASTS }, (_, i) => i),
      );
      orders.forEach((order) => assert.deepEqual(order, orders[0]));
      assertOrderOfEachPublisher(orders[0]);
    });
  });
}

function publish(client, i) {
  return ask1(client, "cast", { from: "server", to: ["everybody"], event: "numbered", data: [i] });
}

/** What one client published is seen in the order in which it did. */
function assertOrderOfEachPublisher(order) {
  for (let publisher = 0; publisher < CLIENTS; publisher++) {
    const own = order.filter((i) => i % CLIENTS === publisher);
    assert.deepEqual(
      own,
      own.toSorted((a, b) => a - b),
    );
  }
}

test("members that upgrade meanwhile see the same order as those that do not", async () => {
  const steady = new Setup("4.8.4 (ESM)", "websocket", "default");
  const upgrading = new Setup("4.8.4 (ESM)", "polling, then upgrade", "default");
  const publishers = await steady.crowd(5);
  const members = await Promise.all(Array.from({ length: 10 }, () => upgrading.create()));
  const all = [...publishers, ...members];
  await Promise.all(all.map((client) => ask1(client, "join", "everybody")));
  const seen = all.map((client) => collect(client, "numbered"));
  await Promise.all(Array.from({ length: BROADCASTS }, (_, i) => publish(publishers[i % 5], i)));
  await Promise.all(members.map((client) => upgraded(client)));
  await Promise.all(Array.from({ length: BROADCASTS }, (_, i) => publish(publishers[i % 5], BROADCASTS + i)));
  await eventually(() => seen.every((list) => list.length >= 2 * BROADCASTS), "all broadcasts at all clients");
  seen.forEach((list) => assert.deepEqual(list, seen[0]));
  steady.close();
  upgrading.close();
});
