/**
 * A gateway as it is usually written with NestJS: controllers with DTO classes that class-validator
 * checks, a guard that verifies the token, and grpc-js clients. It does for a call what ours does:
 * verifies the token, checks the rules, sends ids, token, address and deadline along, and answers the
 * same JSON. It has no metrics, CORS, limits or idempotency keys.
 */
import "reflect-metadata";
import { randomUUID } from "node:crypto";
import { Client, type Metadata } from "@grpc/grpc-js";
import {
  Body,
  Controller,
  Get,
  HttpCode,
  Inject,
  Injectable,
  Module,
  Param,
  Post,
  Req,
  UnauthorizedException,
  UseGuards,
  ValidationPipe,
  type CanActivate,
  type ExecutionContext,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { FastifyAdapter, type NestFastifyApplication } from "@nestjs/platform-fastify";
import {
  IsIn,
  IsNumber,
  IsOptional,
  IsRFC3339,
  IsString,
  IsUUID,
  Length,
  Max,
  Min,
} from "class-validator";
import { PricingServiceService } from "../../../gen/grpc/ridemesh/pricing/v1/pricing_service.js";
import { TripServiceService } from "../../../gen/grpc/ridemesh/trip/v1/trip_service.js";
import { VehicleClass } from "../../../gen/grpc/ridemesh/type/v1/vehicle_class.js";
import { channelCredentials, type TlsIdentity } from "../../../services/runtime/tls.js";
import type { TokenVerifier } from "../../../services/runtime/token.js";
import type { Addresses } from "../service/main.js";
import { callUnary, metadataOf, type IncomingRequest } from "./calls.js";
import { fareJson, tripJson, vehicleClasses } from "./json.js";

/** What the gateway is made from. */
export interface NestOptions {
  identity: TlsIdentity;
  addresses: Addresses;
  verifier: TokenVerifier;
}

const verifierToken = Symbol("verifier");
const clientsToken = Symbol("clients");
type Clients = Record<keyof Addresses, Client>;

/** What a path names. */
class TripParams {
  @IsUUID()
  tripId!: string;
}

/** What a fare is calculated from. As in the contract, a number that is left out is 0. */
class CalculateFareBody {
  @IsString()
  @Length(1, 64)
  cityId!: string;

  @IsIn(vehicleClasses.slice(1))
  vehicleClass!: string;

  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(1_000_000)
  distanceMeters?: number;

  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(86_400)
  durationSeconds?: number;

  @IsOptional()
  @IsNumber()
  @Min(0)
  @Max(86_400)
  waitSeconds?: number;

  @IsOptional()
  @IsRFC3339()
  startTime?: string;
}

const checked = (expectedType: typeof TripParams | typeof CalculateFareBody) =>
  new ValidationPipe({
    expectedType,
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
  });

@Injectable()
class TokenGuard implements CanActivate {
  constructor(@Inject(verifierToken) private readonly verifier: TokenVerifier) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<IncomingRequest>();
    const [scheme, token] = (request.headers.authorization ?? "").split(" ");
    if (scheme?.toLowerCase() !== "bearer" || !token) throw new UnauthorizedException();
    try {
      request.caller = await this.verifier.verify(token);
    } catch {
      throw new UnauthorizedException();
    }
    return true;
  }
}

@Controller("api")
@UseGuards(TokenGuard)
class RidesController {
  constructor(@Inject(clientsToken) private readonly clients: Clients) {}

  @Get("trips/:tripId")
  async getTrip(
    @Param(checked(TripParams)) { tripId }: TripParams,
    @Req() request: IncomingRequest,
  ): Promise<object> {
    const metadata: Metadata = metadataOf(request);
    const call = TripServiceService.getTrip;
    const { trip } = await callUnary(this.clients.trip, call, { tripId }, metadata, 2000);
    return tripJson(trip!);
  }

  @Post("pricing/calculate")
  @HttpCode(200)
  async calculateFare(
    @Body(checked(CalculateFareBody)) body: CalculateFareBody,
    @Req() request: IncomingRequest,
  ): Promise<object> {
    const fareRequest = {
      cityId: body.cityId,
      vehicleClass: vehicleClasses.indexOf(body.vehicleClass) as VehicleClass,
      distanceMeters: body.distanceMeters ?? 0,
      durationSeconds: body.durationSeconds ?? 0,
      waitSeconds: body.waitSeconds ?? 0,
      startTime: body.startTime === undefined ? undefined : new Date(body.startTime),
    };
    const metadata: Metadata = metadataOf(request);
    const call = PricingServiceService.calculateFare;
    const { fare } = await callUnary(this.clients.pricing, call, fareRequest, metadata, 2000);
    return fareJson(fare!);
  }
}

/** Starts it on a free port. */
export async function startNest(
  options: NestOptions,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const { identity, addresses, verifier } = options;
  const client = (service: keyof Addresses) =>
    new Client(addresses[service], channelCredentials(identity), {
      "grpc.ssl_target_name_override": service,
    });
  const clients: Clients = { trip: client("trip"), pricing: client("pricing") };

  @Module({
    controllers: [RidesController],
    providers: [
      TokenGuard,
      { provide: verifierToken, useValue: verifier },
      { provide: clientsToken, useValue: clients },
    ],
  })
  class RidesModule {}

  const adapter = new FastifyAdapter({ genReqId: () => randomUUID() });
  const app = await NestFactory.create<NestFastifyApplication>(RidesModule, adapter, {
    logger: false,
  });
  adapter.getInstance().addHook("onRequest", (request, reply, done) => {
    void reply.header("x-request-id", request.id);
    done();
  });
  await app.listen(0, "127.0.0.1");
  const address = app.getHttpServer().address() as { port: number };
  return {
    port: address.port,
    stop: async () => {
      await app.close();
      for (const one of Object.values(clients)) one.close();
    },
  };
}
