# frozen_string_literal: true

# ruby-jwt as its README verifies a token: decode with a JWKS loader, over many questions in one process.

require 'json'
require 'jwt'
require 'net/http'

def verify(question)
  algorithms = [question['algorithm']]
  jwks_uri = question['jwks_uri']
  if jwks_uri.nil?
    metadata = JSON.parse(Net::HTTP.get(URI("#{question['issuer']}/.well-known/openid-configuration")))
    algorithms = metadata.fetch('id_token_signing_alg_values_supported')
    jwks_uri = metadata.fetch('jwks_uri')
  end
  loader = ->(_options) { JSON.parse(Net::HTTP.get(URI(jwks_uri))) }
  JWT.decode(question['token'], nil, true,
             algorithms: algorithms, jwks: loader,
             iss: question['issuer'], verify_iss: true, aud: question['audience'], verify_aud: true, verify_iat: true)
end

answers = JSON.parse($stdin.read).map do |question|
  verify(question)
  { accepted: true, error: nil }
rescue StandardError => e
  { accepted: false, error: "#{e.class}: #{e.message}"[0, 300] }
end
puts answers.to_json
