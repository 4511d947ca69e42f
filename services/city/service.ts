/** Handlers of CityService and CityInternalService. */
import type { City } from "../../gen/grpc/ridemesh/city/v1/city.js";
import { CityUpdated } from "../../gen/grpc/ridemesh/city/v1/city_events.js";
import type { CityInternalServiceService } from "../../gen/grpc/ridemesh/city/v1/city_internal_service.js";
import type { CityServiceService } from "../../gen/grpc/ridemesh/city/v1/city_service.js";
import type { CallContext } from "../runtime/call-context.js";
import type { DomainClock } from "../runtime/clock.js";
import type { Fanout } from "../runtime/fanout.js";
import { newEvent } from "../runtime/outbox.js";
import type { Pool } from "../runtime/postgres.js";
import type { Handlers } from "../runtime/server.js";
import { Code, StatusError, invalidField, notFound } from "../runtime/status.js";
import { loadCities, loadOperators, replaceCity, type Operator } from "./store.js";

export interface CityDeps {
  pool: Pool;
  domain: DomainClock;
  /** Says that a city has changed. */
  changes: Fanout<true>;
  wakeRelay: () => void;
}

/** The one channel of `changes`. */
const changesChannel = "cities";

/** Cities, as everyone may read them and an operator's admin may change them. */
export function cityService(deps: CityDeps): Handlers<CityServiceService> {
  const { pool, domain } = deps;

  /** The operator that a call is about: its token's, the one it names, or its host's. */
  const tenantOf = async (operator: string, ctx: CallContext): Promise<string> => {
    if (!operator && !ctx.caller.anonymous) return ctx.caller.tenantId;
    const found = findOperator(await loadOperators(pool), operator, ctx.host);
    return found.tenantId;
  };

  return {
    listCities: async ({ operator }, ctx) => {
      const tenantId = await tenantOf(operator, ctx);
      return { cities: (await loadCities(pool)).filter((city) => city.tenantId === tenantId) };
    },

    getCity: async ({ cityId, operator }, ctx) => {
      const tenantId = await tenantOf(operator, ctx);
      return { city: await findCity(pool, tenantId, cityId) };
    },

    updateCity: async ({ cityId, city: wanted }, ctx) => {
      const { tenantId, subject } = ctx.caller;
      const known = await findCity(pool, tenantId, cityId);
      checkTimeZone(wanted!.timeZone);
      if (wanted!.version !== known.version) throw versionConflict(known);
      const now = domain.now();
      const city: City = {
        ...wanted!,
        tenantId,
        cityId,
        version: known.version + 1n,
        updateTime: now,
      };
      const event = newEvent(
        CityUpdated,
        { cityId, version: city.version, actorId: subject },
        { key: cityId, tenantId, time: now, traceparent: ctx.traceparent },
      );
      const answer = ctx.answer({ city });
      const replaced = await replaceCity(pool, city, { actorId: subject, event, answer });
      if (!replaced) throw versionConflict(await findCity(pool, tenantId, cityId));
      deps.wakeRelay();
      deps.changes.publish(changesChannel, true);
      return { city };
    },

    getClock: () => Promise.resolve({ clock: { now: domain.now(), rate: domain.rate } }),
  };
}

/** Reference data for the other services. */
export function cityInternalService(deps: CityDeps): Handlers<CityInternalServiceService> {
  return {
    watchCities: async function* (_request, ctx) {
      const changes = deps.changes.subscribe(changesChannel, ctx.signal);
      yield { cities: await loadCities(deps.pool) };
      for await (const _ of changes) yield { cities: await loadCities(deps.pool) };
    },

    resolveOperator: async ({ operator, host }) => {
      const { tenantId, name } = findOperator(await loadOperators(deps.pool), operator, host);
      return { tenantId, name };
    },
  };
}

/** By name, else by host, else the only one there is. */
function findOperator(known: Operator[], operator: string, host: string): Operator {
  const found = operator
    ? known.find((one) => one.tenantId === operator)
    : (known.find((one) => one.hosts.includes(host)) ??
      (known.length === 1 ? known[0] : undefined));
  if (found) return found;
  throw new StatusError(Code.INVALID_ARGUMENT, {
    reason: "UNKNOWN_OPERATOR",
    domain: "ridemesh",
    message: operator
      ? `operator: there is no operator ${operator}`
      : `operator: give one; the host ${host || "(unknown)"} belongs to none`,
    violations: [{ field: "operator", message: "names no operator" }],
  });
}

async function findCity(pool: Pool, tenantId: string, cityId: string): Promise<City> {
  const city = (await loadCities(pool)).find((c) => c.tenantId === tenantId && c.cityId === cityId);
  if (!city) throw notFound("city");
  return city;
}

function versionConflict(city: City): StatusError {
  return new StatusError(Code.ABORTED, {
    reason: "VERSION_CONFLICT",
    message: `city.version: the city is at version ${city.version}; read it again`,
    metadata: { version: String(city.version) },
    violations: [{ field: "city.version", message: `the city is at version ${city.version}` }],
  });
}

function checkTimeZone(timeZone: string): void {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
  } catch {
    throw invalidField("city.time_zone", "is not an IANA time zone", "UNKNOWN_TIME_ZONE");
  }
}
