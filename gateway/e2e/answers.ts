/** As much of the platform's JSON as tests without generated types read. */
export interface Answer {
  user: { userId: string; roles: string[] };
  session: { accessToken: string; refreshToken: string };
  accessToken: string;
  tokenType: string;
  userId: string;
  tenantId: string;
  displayName: string;
  language: string;
  status: string;
  onboardingStatus: string;
  availability: string;
  acceptedCount: number;
  drivers: Answer[];
  driverId: string;
  points: Answer[];
  quotes: Answer[];
  quoteToken: string;
  total: { amountMinor: string };
  fare: { total: { amountMinor: string } };
  finalFare: { total: { amountMinor: string } };
  multiplier: number;
  dynamic: boolean;
  offers: Answer[];
  trips: Answer[];
  tripId: string;
  pin: string;
  state: string;
  cancellation: { reason: string };
  cards: Answer[];
  cardId: string;
  paymentId: string;
  transactions: Answer[];
  kind: string;
  tripCount: number;
  driverShare: { amountMinor: string };
  location: { point: unknown };
}
