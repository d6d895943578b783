# frozen_string_literal: true

# ruby-jwt as its own README verifies a token: decode with a JWKS loader that caches and invalidates.
#
# Reads {"jwks_uri", "issuer", "audience", "token"} from standard input and prints {"accepted", "error"}.

require 'json'
require 'jwt'
require 'net/http'

def jwks_loader(jwks_uri)
  lambda do |options|
    @cached_keys = nil if options[:kid_not_found] && @cache_last_update < Time.now.to_i - 300
    @cached_keys ||= begin
      @cache_last_update = Time.now.to_i
      JSON.parse(Net::HTTP.get(URI(jwks_uri)))
    end
  end
end

request = JSON.parse($stdin.read)
begin
  JWT.decode(request['token'], nil, true,
             algorithms: ['RS256'], jwks: jwks_loader(request['jwks_uri']),
             iss: request['issuer'], verify_iss: true, aud: request['audience'], verify_aud: true)
  verdict = { accepted: true, error: nil }
rescue StandardError => e
  verdict = { accepted: false, error: "#{e.class}: #{e.message}" }
end
puts verdict.to_json
